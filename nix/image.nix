# A container image without a distribution in it: `nix build .#image`, then `podman load < result`. The Containerfile makes a
# similar one without Nix.
{
  lib,
  dockerTools,
  cacert,
  fjmcp-broker,
  # Null: an image whose user brings the child's program.
  forgejo-mcp ? null,
}:

let
  uid = "10001";
in
dockerTools.buildLayeredImage {
  name = "fjmcp-broker";
  tag = fjmcp-broker.version;
  contents = [
    cacert
    fjmcp-broker
  ]
  ++ lib.optional (forgejo-mcp != null) forgejo-mcp;

  fakeRootCommands = ''
    mkdir -p etc tmp var/lib/fjmcp-broker
    chmod 1777 tmp
    echo 'fjmcp:x:${uid}:${uid}::/var/lib/fjmcp-broker:/bin/false' > etc/passwd
    echo 'fjmcp:x:${uid}:' > etc/group
    chown ${uid}:${uid} var/lib/fjmcp-broker
    chmod 0700 var/lib/fjmcp-broker
  '';

  config = {
    Entrypoint = [ "/bin/fjmcp-broker" ];
    Cmd = [ "serve" ];
    User = "${uid}:${uid}";
    WorkingDir = "/var/lib/fjmcp-broker";
    Env = [
      "PATH=/bin"
      "FJMCP_LISTEN=0.0.0.0:8080"
      "STATE_DIRECTORY=/var/lib/fjmcp-broker"
      "SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt"
    ];
    ExposedPorts."8080/tcp" = { };
    Volumes."/var/lib/fjmcp-broker" = { };
    StopSignal = "SIGTERM";
    Labels = {
      "org.opencontainers.image.title" = "fjmcp-broker";
      "org.opencontainers.image.version" = fjmcp-broker.version;
      "org.opencontainers.image.licenses" = "MIT";
    };
  };
}
