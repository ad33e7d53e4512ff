# A configuration to begin with: for the service as /etc/custody/custody.hcl, and in the container.
storage "lmdb" {
  path = "/var/lib/custody/data"
}

listener "tcp" {
  address       = "0.0.0.0:8200"
  tls_cert_file = "/etc/custody/tls/cert.pem"
  tls_key_file  = "/etc/custody/tls/key.pem"
}

audit "file" "file" {
  options {
    file_path = "/var/log/custody/audit.log"
  }
}

# How clients reach this server:
# api_addr = "https://custody.example.com:8200"
