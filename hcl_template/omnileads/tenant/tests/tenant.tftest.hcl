# The shape of a tenant's plan, and every input that costs money with a value that is refused.
# No API is asked: images are named, and the provider skips its own checks.
provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  stack_name  = "acme"
  owner       = "omlsaas"
  domain_name = "cc.example.net"
  aws_region  = "us-east-2"
  time_zone   = "America/Argentina/Cordoba"
  shared_name = "sharedus"

  shared = {
    vpc_id                      = "vpc-0a1b2c3d4e5f60718"
    vpc_cidr                    = "10.0.0.0/16"
    public_subnet_ids           = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"]
    private_subnet_ids          = ["subnet-0a1b2c3d4e5f60713", "subnet-0a1b2c3d4e5f60714"]
    certificate_arn             = "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    hosted_zone_id              = "Z0123456789ABCDEFGHIJ"
    rtpengine_fqdn              = "rtpengine-sharedus.cc.example.net"
    rtpengine_internal_fqdn     = "rtpengine-internal-sharedus.cc.example.net"
    rtpengine_security_group_id = "sg-0a1b2c3d4e5f60715"
    sbc_security_group_id       = "sg-0a1b2c3d4e5f60716"

    rtpengine_clients_security_group_id = "sg-0a1b2c3d4e5f60717"
    sbc_clients_security_group_id       = "sg-0a1b2c3d4e5f60718"

    sbc_internal_fqdn  = "astsbc-internal-sharedus.cc.example.net"
    sbc_public_ip      = "198.51.100.7"
    pstn_trunks        = ["192.0.2.0/28"]
    access_logs_bucket = "oml-prod-omlsaas-sharedus-access-logs"
  }

  app_ami_id        = "ami-0123456789abcdef0"
  asterisk_ami_id   = "ami-0123456789abcdef0"
  kamailio_ami_id   = "ami-0123456789abcdef0"
  redis_ami_id      = "ami-0123456789abcdef0"
  websockets_ami_id = "ami-0123456789abcdef1"
  dialer_ami_id     = "ami-0123456789abcdef0"

  pg_password     = "a-secret-of-pg-1"
  ami_password    = "a-secret-of-ami-2"
  admin_password  = "a-secret-of-admin-3"
  mysql_password  = "a-secret-of-mysql-4"
  dialer_password = "a-secret-of-dialer-5"
}

run "without_the_dialer" {
  command = plan

  assert {
    condition     = length(module.mysql) == 0 && length(module.dialer) == 0 && length(aws_lb.dialer) == 0
    error_message = "Without the dialer there is no MySQL, no group and no load balancer of it."
  }

  assert {
    condition     = output.url == "https://acme.cc.example.net" && output.data_bucket == "prod-omlsaas-acme-data"
    error_message = "Address and bucket follow the tenant's name."
  }

  assert {
    condition     = output.app_asg_name == "oml-prod-acme-EC2" && output.dialer_asg_name == null
    error_message = "The web application stands in a group of its own."
  }

  assert {
    condition     = output.parameter_prefix == "/omlsaas/acme"
    error_message = "Parameters stand below the tenant's own path."
  }

  assert {
    condition     = toset(keys(module.machine)) == toset(["asterisk", "kamailio", "redis", "websockets"])
    error_message = "Four components have a machine of their own."
  }

  assert {
    condition     = output.pstn_trunks == tolist(["192.0.2.0/28"])
    error_message = "Without carriers of its own the tenant has those of the shared environment."
  }

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.from_carriers : rule.cidr_ipv4 == "192.0.2.0/28" && rule.ip_protocol == "udp"
    ]) && length(aws_vpc_security_group_ingress_rule.from_carriers) == 2
    error_message = "A carrier reaches trunk and media of the telephony server, nothing else."
  }

  assert {
    condition     = toset(keys(aws_ssm_parameter.secret)) == toset(["pg_password", "ami_password", "admin_password"])
    error_message = "Only secrets that are used are stored."
  }

  assert {
    condition     = alltrue([for parameter in aws_ssm_parameter.secret : parameter.type == "SecureString" && parameter.value_wo == null])
    error_message = "Secrets are SecureStrings, and the plan does not hold them."
  }

  assert {
    condition = (
      aws_ssm_parameter.backup_time.name == "/omlsaas/acme/backup_time" &&
      aws_ssm_parameter.backup_time.insecure_value == "23:50"
    )
    error_message = "Machines read there when to back up."
  }

  assert {
    condition = toset(keys(aws_route53_record.machine)) == toset(keys(module.machine)) && alltrue([
      for component, record in aws_route53_record.machine : record.name == "acme-${component}.cc.example.net"
    ])
    error_message = "Each machine has a name in the zone."
  }

  assert {
    condition = alltrue([
      for component in ["app", "kamailio"] :
      local.boot_settings[component]["RTPENGINE_HOST"] == "rtpengine-internal-sharedus.cc.example.net"
    ])
    error_message = "RTPengine is asked inside the network: the rule from group to group matches no other way."
  }

  assert {
    condition = local.clients_groups == {
      asterisk = [var.shared.sbc_clients_security_group_id]
      kamailio = [var.shared.rtpengine_clients_security_group_id]
    }
    error_message = "Asterisk is a client of the SBC, Kamailio one of RTPengine; no other machine is any."
  }

  assert {
    condition     = strcontains(local.user_data["kamailio"], "RTPENGINE_HOST='rtpengine-internal-sharedus.cc.example.net'")
    error_message = "Kamailio's machine is told that name."
  }
}

run "with_the_dialer" {
  command = plan

  variables {
    dialer          = true
    dialer_ui_cidrs = ["203.0.113.0/24"]
  }

  assert {
    condition     = length(module.mysql) == 1 && output.dialer_asg_name == "oml-prod-acme-dialer-EC2"
    error_message = "The dialer brings a MySQL and a group."
  }

  assert {
    condition     = output.dialer_url == "https://acme-wdext.cc.example.net"
    error_message = "Its pages are shown to the networks that may."
  }

  assert {
    condition     = contains(keys(aws_ssm_parameter.secret), "mysql_password") && contains(keys(aws_ssm_parameter.secret), "dialer_password")
    error_message = "Its passwords are stored."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.between["dialer_data"].from_port == 3306
    error_message = "MySQL is reached by the dialer."
  }
}

run "each_machine_reads_its_own_parameters" {
  command = plan

  variables {
    dialer = true
  }

  override_resource {
    target          = aws_ssm_parameter.backup_time
    override_during = plan
    values          = { arn = "arn:aws:ssm:us-east-2:123456789012:parameter/omlsaas/acme/backup_time" }
  }

  assert {
    condition = { for component, arns in local.parameters_read : component => toset([
      for arn in arns : trimprefix(arn, "arn:aws:ssm:us-east-2:123456789012:parameter/omlsaas/acme/")
      ]) } == {
      app        = toset(["admin_password", "ami_password", "dialer_password", "pg_password", "backup_time", "boot/app", "handover/*"])
      asterisk   = toset(["ami_password", "pg_password", "backup_time", "boot/asterisk"])
      dialer     = toset(["mysql_password"])
      kamailio   = toset([])
      redis      = toset([])
      websockets = toset([])
    }
    error_message = "A machine reads its own boot order and the secrets that it uses, below its tenant's path, nothing else."
  }
}

run "dialer_hidden_unless_networks_may" {
  command = plan

  variables {
    dialer = true
  }

  assert {
    condition     = output.dialer_url == null && length(aws_route53_record.dialer_ui) == 0
    error_message = "Its pages are shown to nobody unless networks are named."
  }
}

run "no_secret_in_boot_texts" {
  command = plan

  variables {
    dialer              = true
    google_maps_api_key = "a-secret-of-maps-6"
    google_maps_center  = { lat = -31.4, lng = -64.2 }
  }

  # What the plan knows of boot texts; addresses of databases are not known yet, so they are made
  # from the scripts here.
  assert {
    condition     = !anytrue([for text in values(local.files) : strcontains(text, "a-secret-of-")])
    error_message = "A script holds a secret."
  }

  assert {
    condition     = contains(keys(aws_ssm_parameter.secret), "google_maps_api_key")
    error_message = "The map's key is stored once the map has a centre."
  }

  assert {
    condition     = length(local.user_data["kamailio"]) < 16384 && length(local.user_data["websockets"]) < 16384
    error_message = "Boot texts must fit into 16 KiB."
  }
}

run "own_carriers_win" {
  command = plan

  variables {
    pstn_trunks = ["198.51.100.0/29", "203.0.113.9/32"]
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.from_carriers) == 4
    error_message = "The tenant's own carriers replace those of the shared environment."
  }
}

run "dialer_asks_for_its_secrets" {
  command = plan

  variables {
    dialer          = true
    dialer_password = null
  }

  expect_failures = [aws_ssm_parameter.secret["dialer_password"]]
}

run "wrong_sizes" {
  command = plan

  variables {
    ec2_oml_size              = "u-24tb1.metal"
    ec2_asterisk_size         = "t3.nano"
    ec2_kamailio_size         = "big"
    ec2_redis_size            = ""
    ec2_websockets_size       = "p4d.24xlarge"
    ec2_dialer_size           = "db.t3.micro"
    pg_rds_size               = "db.x2iedn.32xlarge"
    mysql_rds_size            = "t3.micro"
    customer_root_disk_size   = 9
    asterisk_root_disk_size   = 2049
    kamailio_root_disk_size   = 20.5
    redis_root_disk_size      = 0
    websockets_root_disk_size = -1
    dialer_root_disk_size     = 100000
    pg_storage                = 19
    mysql_storage             = 70000
    zone                      = 4
  }

  expect_failures = [
    var.ec2_oml_size, var.ec2_asterisk_size, var.ec2_kamailio_size, var.ec2_redis_size, var.ec2_websockets_size,
    var.ec2_dialer_size, var.pg_rds_size, var.mysql_rds_size, var.customer_root_disk_size, var.asterisk_root_disk_size,
    var.kamailio_root_disk_size, var.redis_root_disk_size, var.websockets_root_disk_size, var.dialer_root_disk_size,
    var.pg_storage, var.mysql_storage, var.zone,
  ]
}

run "wrong_versions" {
  command = plan

  variables {
    oml_app_version        = "1.24.2"
    oml_asterisk_version   = "master"
    oml_kamailio_version   = "220614"
    oml_redis_version      = "latest"
    oml_websockets_version = "v1"
    wombat_version         = "20.02"
    rds_postgres_version   = "11"
    rds_mysql_version      = "5.7"
    app_ami_id             = "latest"
    asterisk_ami_id        = "ami-xyz"
    kamailio_ami_id        = "0123456789abcdef0"
    redis_ami_id           = "ami-"
    websockets_ami_id      = "ubuntu"
    dialer_ami_id          = "AMI-0123456789abcdef0"
    oml_app_repo_url       = "https://user:password@gitlab.com/omnileads/ominicontacto.git"
  }

  expect_failures = [
    var.oml_app_version, var.oml_asterisk_version, var.oml_kamailio_version, var.oml_redis_version,
    var.oml_websockets_version, var.wombat_version, var.rds_postgres_version, var.rds_mysql_version, var.app_ami_id,
    var.asterisk_ami_id, var.kamailio_ami_id, var.redis_ami_id, var.websockets_ami_id, var.dialer_ami_id,
    var.oml_app_repo_url,
  ]
}

run "wrong_behaviour" {
  command = plan

  variables {
    environment            = "test"
    rds_retention_days     = 36
    rds_backup_window      = "5 o'clock"
    rds_maintenance_window = "05:00-06:00"
    recordings_days        = -1
    backups_days           = 1
    old_versions_days      = 0
    kamailio_shm_size      = 32
    kamailio_pkg_size      = 4
    ecctl                  = 10
    sca                    = 1.5
    ami_user               = "Admin User"
    dialer_user            = "a'b"
    schedule               = "$(reboot)"
    pg_database            = "acme-oml"
    pg_username            = "1acme"
    mysql_database         = "w"
    mysql_username         = "root!"
    google_maps_center     = { lat = 91, lng = -181 }
    instance_nic           = "eth0; reboot"
    ssh_key_name           = "a key"
  }

  expect_failures = [
    var.environment, var.rds_retention_days, var.rds_backup_window, var.rds_maintenance_window, var.recordings_days,
    var.backups_days, var.old_versions_days, var.kamailio_shm_size,
    var.kamailio_pkg_size, var.ecctl, var.sca, var.ami_user, var.dialer_user, var.schedule, var.pg_database,
    var.pg_username, var.mysql_database, var.mysql_username, var.google_maps_center, var.instance_nic,
    var.ssh_key_name,
  ]
}

run "wrong_networks_and_backups" {
  command = plan

  variables {
    recordings_archive_days = -5
    pg_storage_max          = 70000
    pstn_trunks             = ["192.0.2.0/33"]
    dialer_ui_cidrs         = ["0.0.0.0/0"]
    backup_time             = "24:00"
    domain_name             = "Example"
    aws_region              = "ohio"
    time_zone               = "UTC'; reboot"
  }

  expect_failures = [
    var.pstn_trunks, var.dialer_ui_cidrs, var.backup_time,
    var.domain_name, var.aws_region, var.time_zone, var.recordings_archive_days, var.pg_storage_max,
  ]
}

run "carriers_of_the_whole_world" {
  command = plan

  variables {
    pstn_trunks = ["0.0.0.0/0"]
  }

  expect_failures = [var.pstn_trunks]
}

run "carriers_inside_the_network" {
  command = plan

  variables {
    pstn_trunks = ["10.0.7.0/24"]
  }

  expect_failures = [var.pstn_trunks]
}

run "wrong_together" {
  command = plan

  variables {
    recordings_days         = 30
    recordings_archive_days = 60
    pg_storage              = 50
    pg_storage_max          = 40
    zone                    = 3
  }

  expect_failures = [var.recordings_archive_days, var.pg_storage_max, var.zone]
}
