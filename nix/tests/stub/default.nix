# `tools`: store paths by name, in place of packages that are only names here (scripts/nix/build.mjs gives Node and Python).
{
  tools ? { },
}:
let
  lib = import ./lib.nix // {
    inherit (import ./modules.nix { inherit lib; }) evalModules;
    types = import ./types.nix { inherit lib; };
    nixosSystem =
      { modules }:
      lib.evalModules {
        modules = modules ++ [ ./options.nix ];
        pkgs = pkgsFor "x86_64-linux";
      };
  };
  pkgsFor = system: import ./pkgs.nix { inherit lib system tools; };
in
{
  inherit lib;
  legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] pkgsFor;
}
