# The options of NixOS that our module and its example set.
{ lib, ... }:
let
  of = type: default: lib.mkOption { inherit type default; };
  inherit (lib.types) anything attrsOfAnything bool listOfAnything;
in
{
  options = {
    assertions = of listOfAnything [ ];
    systemd.services = of attrsOfAnything { };
    nixpkgs.hostPlatform = of anything "x86_64-linux";
    services.caddy.enable = of bool false;
    services.caddy.virtualHosts = of attrsOfAnything { };
    networking.firewall.allowedTCPPorts = of listOfAnything [ ];
  };
}
