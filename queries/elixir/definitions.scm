; What an Elixir file defines. See ../README.md for the capture names.
; Everything is a call here, so the name of what is called decides.

((call target: (identifier) @_def (arguments . (alias) @name) (do_block) @body) @definition.module
  (#eq? @_def "defmodule"))
((call target: (identifier) @_def (arguments . (alias) @name) (do_block) @body) @definition.protocol
  (#eq? @_def "defprotocol"))

; An implementation lends the name of its type to its members; inside the type's own module it names none.
((call
  target: (identifier) @_def
  (arguments . (alias) (keywords (pair key: (keyword) @_for value: (alias) @container)))
  (do_block) @body) @definition.impl
  (#eq? @_def "defimpl") (#match? @_for "^for:"))
((call
  target: (identifier) @_def
  (arguments . (alias) @container (keywords (pair key: (keyword) @_for value: (list))))
  (do_block) @body) @definition.impl
  (#eq? @_def "defimpl") (#match? @_for "^for:"))
((call target: (identifier) @_def (arguments . (alias) @container .) (do_block) @body) @definition.impl
  (#eq? @_def "defimpl"))

; The clauses of a function stand below each other and are one definition.
((call
  target: (identifier) @_def
  (arguments
    . [
      (identifier) @name
      (call target: (identifier) @name)
      (binary_operator left: (identifier) @name operator: "when")
      (binary_operator left: (call target: (identifier) @name) operator: "when")
    ])
  (do_block)? @body) @definition.function @clause
  (#any-of? @_def "def" "defp" "defdelegate"))
((call
  target: (identifier) @_def
  (arguments
    . [
      (identifier) @name
      (call target: (identifier) @name)
      (binary_operator left: (identifier) @name operator: "when")
      (binary_operator left: (call target: (identifier) @name) operator: "when")
    ])
  (do_block)? @body) @definition.macro @clause
  (#any-of? @_def "defmacro" "defmacrop" "defguard" "defguardp"))
((call
  target: (identifier) @_def
  (arguments . (binary_operator operator: _ @name))
  (do_block)? @body) @definition.function @clause
  (#any-of? @_def "def" "defp" "defmacro") (#not-eq? @name "when"))

((unary_operator
  operator: "@"
  operand: (call
    target: (identifier) @_what
    (arguments . (binary_operator left: [(identifier) @name (call target: (identifier) @name)]))))
  @definition.type
  (#any-of? @_what "type" "typep" "opaque"))
((unary_operator
  operator: "@"
  operand: (call
    target: (identifier) @_what
    (arguments . (binary_operator left: [(identifier) @name (call target: (identifier) @name)]))))
  @definition.callback
  (#any-of? @_what "callback" "macrocallback"))

; Module attributes that are constants, not remarks to the compiler and its tools.
((do_block (unary_operator operator: "@" operand: (call target: (identifier) @name (arguments))) @definition.constant @clause)
  (#not-any-of? @name
    "after_compile" "after_verify" "before_compile" "behaviour" "callback" "compile" "deprecated" "derive"
    "describetag" "dialyzer" "doc" "enforce_keys" "external_resource" "impl" "macrocallback" "moduledoc" "moduletag"
    "on_definition" "on_load" "opaque" "optional_callbacks" "since" "spec" "tag" "type" "typedoc" "typep" "vsn"))

((call target: (identifier) @_def (arguments . (string (quoted_content) @name)) (do_block) @body) @definition.test
  (#any-of? @_def "test" "describe" "property"))
