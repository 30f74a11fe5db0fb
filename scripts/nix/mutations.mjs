// Changes of our files that the check has to catch, and what it has to say of them.
export const mutations = [
  { what: "a misspelt option in the module's body", file: "nix/module.nix", from: "cfg.drainGrace == null", to: "cfg.drainGrce == null", finds: /drainGrce/ },
  { what: "a package that there is not", file: "flake.nix", from: "pkgs.python3", to: "pkgs.python99", finds: /python99/ },
  { what: "an argument that nobody gives the package", file: "nix/package.nix", from: "makeWrapper,", to: "makeWrapper,\n  makeWrappers,", finds: /makeWrappers/ },
  { what: "a source file that there is not", file: "nix/package.nix", from: "../tsconfig.json", to: "../tsconfigs.json", finds: /tsconfigs\.json/ },
  { what: "a misspelt field of the image", file: "nix/image.nix", from: "fakeRootCommands =", to: "fakeRootCommand =", finds: /fakeRootCommand/ },
  { what: "a function that lib does not have", file: "nix/module.nix", from: "lib.boolToString", to: "lib.boolToStr", finds: /boolToStr/ },
  { what: "a check in which something is misspelt", file: "nix/checks.nix", from: "fjmcp-broker.nodeModules", to: "fjmcp-broker.nodeModule", finds: /nodeModule/ },
  { what: "a setting without an option", file: "nix/settings.json", from: /\{\s+"key": "sessionIdle"[^}]*\},/, to: "", finds: /sessionIdle/ },
  { what: "a setting that the broker does not know", file: "nix/settings.json", from: "\"key\": \"sessionKeep\"", to: "\"key\": \"sessionKept\"", finds: /sessionKept|sessionKeep/ },
  { what: "a type that takes anything", file: "nix/types.nix", from: "COUNT = types.ints.positive;", to: "COUNT = types.str // { check = _: true; };", finds: /a number (as a text|of nothing) is taken/ },
  { what: "an option without a type", file: "nix/types.nix", from: /DURATION = .*;\n/, to: "", finds: /no type for DURATION/ },
  { what: "an assertion that is gone", file: "nix/module.nix", from: "assertion = !isOld cfg.childPackage;", to: "assertion = true;", finds: /an old forgejo-mcp is taken/ },
  { what: "less hardening than in the shipped unit", file: "nix/hardening.nix", from: "RestrictNamespaces = true;", to: "", finds: /RestrictNamespaces is true in .* and not set/ },
  { what: "another filter of system calls", file: "nix/hardening.nix", from: "\"capset\"", to: "", finds: /SystemCallFilter/ },
  { what: "more hardening than in the shipped unit", file: "nix/hardening.nix", from: "RemoveIPC = true;", to: "RemoveIPC = true;\n  PrivateNetwork = true;", finds: /PrivateNetwork is not set/ },
  { what: "less time to stop than the drain takes", file: "nix/module.nix", from: "TimeoutStopSec = 40 +", to: "TimeoutStopSec = 1 +", finds: /TimeoutStopSec/ }
]
