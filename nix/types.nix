# The type of a setting by what stands for its value in the help (`metavar` in settings.json). The broker checks the rest at its
# start: hosts, limits, scopes.
{ lib }:

let
  inherit (lib) types;
  line = types.strMatching "[^\n]+";
  word = types.strMatching "[!-~]+";
  byName = {
    URL = types.strMatching "https?://[^[:space:]]+";
    ID = word;
    "ADDRESS:PORT" = types.strMatching "[^[:space:]]+:[0-9]{1,5}";
    COMMAND = line;
    NAME = types.strMatching "[A-Za-z_][A-Za-z0-9_]*";
    COUNT = types.ints.positive;
    DURATION = types.strMatching "[0-9]+(ms|s|m|h|d)";
    # A number is one of bytes.
    SIZE = types.either types.ints.positive (types.strMatching "[0-9]+(B|KiB|MiB|GiB)");
    WORDS = types.nonEmptyListOf word;
    ORIGINS = types.nonEmptyListOf word;
    SCHEMES = types.nonEmptyListOf word;
  };

  # "true|false", "404|410", "json|pretty"
  choice =
    metavar:
    let
      words = lib.splitString "|" metavar;
    in
    if metavar == "true|false" then
      types.bool
    else if builtins.all (word: builtins.match "[0-9]+" word != null) words then
      types.enum (map lib.toInt words)
    else
      types.enum words;

  perSecond = {
    s = 1;
    m = 60;
    h = 3600;
    d = 86400;
  };
in
{
  __functor =
    _: metavar:
    byName.${metavar}
      or (if lib.hasInfix "|" metavar then choice metavar else throw "nix/types.nix has no type for ${metavar}");

  # Of a duration, in whole seconds.
  seconds =
    text:
    let
      parts = builtins.match "([0-9]+)(ms|s|m|h|d)" text;
      unit = builtins.elemAt parts 1;
    in
    if unit == "ms" then 1 + lib.toInt (builtins.head parts) / 1000 else lib.toInt (builtins.head parts) * perSecond.${unit};
}
