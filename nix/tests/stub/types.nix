# A type here is a name and a check; `merge`, where it has one, joins several definitions.
{ lib }:
let
  type = name: check: { inherit name check; };
in
rec {
  bool = type "bool" builtins.isBool;
  str = type "str" builtins.isString;
  package = type "package" (value: value ? outPath && value ? drvPath);
  strMatching = pattern: type "string matching ${pattern}" (value: builtins.isString value && builtins.match pattern value != null);
  enum = values: type "one of ${builtins.toJSON values}" (value: builtins.elem value values);
  ints.positive = type "positive int" (value: builtins.isInt value && value > 0);
  nullOr = inner: type "null or ${inner.name}" (value: value == null || inner.check value);
  either = a: b: type "${a.name} or ${b.name}" (value: a.check value || b.check value);
  nonEmptyListOf = inner: type "non-empty list of ${inner.name}" (value: builtins.isList value && value != [ ] && builtins.all inner.check value);

  # For the options of NixOS that we set: anything, lists put together and attributes side by side.
  listOfAnything = type "list" builtins.isList // { merge = builtins.concatLists; };
  attrsOfAnything = type "attribute set" builtins.isAttrs // { merge = builtins.foldl' (a: b: a // b) { }; };
  anything = type "anything" (_: true);
}
