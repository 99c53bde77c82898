# Prints the token in each form, and every line of the key, by a program that Terraform started:
# what stands in the configuration as sensitive it would not print itself.
resource "terraform_data" "echo" {
  for_each = toset(contains(["echo", "fail"], var.way) ? [var.way] : [])

  provisioner "local-exec" {
    interpreter = ["/bin/sh", "${path.module}/tell.sh"]
    command     = each.key
    environment = {
      TELL_MADE    = strrev(var.made)
      TELL_JSON    = nonsensitive(jsonencode(var.token))
      TELL_TWICE   = nonsensitive(jsonencode(jsonencode(var.token)))
      TELL_URL     = nonsensitive(urlencode(var.token))
      TELL_BASE64  = nonsensitive(base64encode(var.token))
      TELL_BASE641 = nonsensitive(base64encode("x${var.token}"))
      TELL_BASE642 = nonsensitive(base64encode("xy${var.token}"))
    }
  }
}

# Hands the token on, marked and unmarked, as user data and as it is; and tells it at its end.
resource "terraform_data" "server" {
  for_each = toset(var.way == "hand_on" ? ["one"] : [])

  input = {
    unmarked  = nonsensitive("token ${var.token}")
    user_data = nonsensitive(base64encode("#cloud-config\npassword: ${var.token}\n"))
    marked    = base64encode("#cloud-config\npassword: ${var.token}\n")
  }
  triggers_replace = sha256(var.token)

  provisioner "local-exec" {
    when    = destroy
    command = "env | grep ^GONE_"
    environment = {
      GONE_TOKEN = trimprefix(self.output.unmarked, "token ")
    }
  }
}

# A provider that quotes its input: nobody listens there.
data "terraform_remote_state" "elsewhere" {
  for_each = toset(var.way == "provider_error" ? ["one"] : [])

  backend = "http"
  config = {
    address   = "http://127.0.0.1:9/state/${urlencode(var.token)}"
    retry_max = 0
  }
}

output "plain" {
  description = "A value that nobody marked as sensitive."
  value       = var.way == "hand_on" ? nonsensitive("token ${var.token}") : "nothing"
}

output "marked" {
  description = "A value that is sensitive."
  value       = "of ${var.token}"
  sensitive   = true
}

output "structured" {
  description = "A sensitive value with parts."
  value       = { user = "leaky", passwords = [strrev(var.made)] }
  sensitive   = true
}
