; Uses of names. What defines is a call as well, and is left out.

((call target: (identifier) @name) @reference.call
  (#not-any-of? @name
    "alias" "def" "defdelegate" "defexception" "defguard" "defguardp" "defimpl" "defmacro" "defmacrop" "defmodule"
    "defp" "defprotocol" "defstruct" "doc" "import" "moduledoc" "require" "spec" "type" "typedoc" "typep" "use"))
(call target: (dot right: (identifier) @name)) @reference.call
(binary_operator operator: "|>" right: (identifier) @name) @reference.call
(struct (alias) @name) @reference.type
((call target: (identifier) @_def (arguments . (alias) @name)) @reference.implementation
  (#any-of? @_def "defimpl" "use"))
((unary_operator operator: "@" operand: (call target: (identifier) @_what (arguments . (alias) @name)))
  @reference.implementation
  (#eq? @_what "behaviour"))
