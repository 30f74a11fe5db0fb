# Everything of the flake, with the stub in place of nixpkgs: nix-instantiate --eval --strict --json check.nix --arg root DIR.
# A package that is misspelt, a file that is missing, a wrong argument end it; scripts/check-nix.mjs looks at the rest.
{ root }:
let
  stub = import (root + "/nix/tests/stub") { };
  self = {
    outPath = root;
    rev = "0123456789abcdef0123456789abcdef01234567";
  }
  // (import (root + "/flake.nix")).outputs {
    inherit self;
    nixpkgs = stub;
  };
  pkgs = stub.legacyPackages.x86_64-linux;
  paths = builtins.mapAttrs (_: builtins.mapAttrs (_: drv: drv.drvPath));

  system =
    settings:
    stub.lib.evalModules {
      inherit pkgs;
      modules = [
        self.nixosModules.default
        (root + "/nix/tests/stub/options.nix")
        settings
      ];
    };
  example = root + "/nix/tests/machine.nix";
  # The example with some values of the broker's options changed.
  with' = changes: system ({ config, lib, ... }: (import example { inherit config lib pkgs; }) // {
    services.fjmcp-broker = (import example { }).services.fjmcp-broker // changes;
  });
  serviceOf = machine: machine.config.systemd.services.fjmcp-broker;
  messagesOf = machine: map (one: one.message) (builtins.filter (one: !one.assertion) machine.config.assertions);
  verdict =
    changes:
    let
      machine = with' changes;
      tried = builtins.tryEval (
        builtins.deepSeq (serviceOf machine) (
          if messagesOf machine == [ ] then "taken" else builtins.concatStringsSep "\n" (messagesOf machine)
        )
      );
    in
    if tried.success then tried.value else "refused";
  cases = import (root + "/nix/tests/cases.nix") { inherit pkgs; };
in
{
  packages = paths self.packages;
  checks = paths self.checks;
  devShells = paths self.devShells;
  formatter = builtins.mapAttrs (_: drv: drv.drvPath) self.formatter;
  overlay = (self.overlays.default (pkgs // { fjmcp-broker = null; }) pkgs).fjmcp-broker.drvPath;
  # Into the store with `-A sources`, unless only looked at.
  sources = "${self.packages.x86_64-linux.fjmcp-broker.src}";
  hashes = builtins.mapAttrs (_: own: own.fjmcp-broker.nodeModules.outputHash) self.packages;

  options = builtins.attrNames (system { }).options.services.fjmcp-broker;
  off = (system { }).config.systemd.services;
  example = serviceOf (system example);
  all = serviceOf (with' cases.all);
  good = builtins.mapAttrs (_: verdict) cases.good;
  bad = builtins.mapAttrs (_: verdict) cases.bad;
}
