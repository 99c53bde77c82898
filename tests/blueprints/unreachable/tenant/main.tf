terraform {
  required_version = ">= 1.11"
  required_providers {
    nowhere = {
      source  = "example/nowhere"
      version = "1.0.0"
    }
  }
}

resource "nowhere_thing" "this" {}
