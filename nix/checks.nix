# `nix flake check`. What needs the network, a browser or a long time is in `npm test`.
{
  self,
  nixpkgs,
  pkgs,
  own,
}:

let
  inherit (own) fjmcp-broker;
  machine = nixpkgs.lib.nixosSystem {
    modules = [
      self.nixosModules.default
      ./tests/machine.nix
      { nixpkgs.hostPlatform = pkgs.stdenv.hostPlatform.system; }
    ];
  };
in
{
  package = fjmcp-broker;

  # A client's journey through the installed package, its children included.
  journey = pkgs.runCommand "fjmcp-broker-journey" { } ''
    export HOME=$TMPDIR
    ${fjmcp-broker}/bin/fjmcp-broker demo --once > $out
  '';

  types = pkgs.runCommand "fjmcp-broker-types" { nativeBuildInputs = [ pkgs.nodejs_24 ]; } ''
    cp -r ${self}/. . && chmod -R u+w .
    ln -s ${fjmcp-broker.nodeModules}/node_modules node_modules
    node node_modules/typescript/bin/tsc --noEmit
    node node_modules/eslint/bin/eslint.js . --max-warnings 0
    touch $out
  '';

  # That NixOS takes the module, and what it makes of it.
  module = pkgs.writeText "fjmcp-broker-module.json" (
    builtins.toJSON machine.config.systemd.services.fjmcp-broker.serviceConfig
  );
}
