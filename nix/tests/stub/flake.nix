{
  description = "In place of nixpkgs, where that cannot be had: what our files use of it, and nothing else";

  outputs = _: import ./default.nix { };
}
