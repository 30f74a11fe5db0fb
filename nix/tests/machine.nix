# A real set-up, as docs/deploy/nixos.md has it: a broker behind Caddy.
{ ... }:
{
  services.fjmcp-broker = {
    enable = true;
    publicUrl = "https://mcp.example.org";
    forgejoUrl = "https://forgejo.example.org";
    forgejoClientId = "6f1c1c2e-8a1b-4c52-9d3e-0a4f6f6c7d11";
    forgejoClientSecretFile = "/run/agenix/fjmcp-client-secret";
    sealingKeyFile = "/run/agenix/fjmcp-sealing-key";
  };

  services.caddy = {
    enable = true;
    virtualHosts."mcp.example.org".extraConfig = "reverse_proxy 127.0.0.1:8080";
  };
  networking.firewall.allowedTCPPorts = [
    80
    443
  ];
}
