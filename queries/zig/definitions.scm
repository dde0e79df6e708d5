; What a Zig file defines. See ../README.md for the capture names.

(variable_declaration . (identifier) @name (struct_declaration "{" @body)) @definition.struct
(variable_declaration . (identifier) @name (enum_declaration "{" @body)) @definition.enum
(variable_declaration . (identifier) @name (union_declaration "{" @body)) @definition.union
(variable_declaration . (identifier) @name (opaque_declaration "{" @body)) @definition.struct
(variable_declaration . (identifier) @name (error_set_declaration "{" @body)) @definition.enum

; A function that gives back a type is a generic type.
((function_declaration
  name: (identifier) @name
  type: (builtin_type) @_type
  body: (block (expression_statement (return_expression (struct_declaration))))) @definition.struct
  (#eq? @_type "type"))
((function_declaration
  name: (identifier) @name
  type: (builtin_type) @_type
  body: (block (expression_statement (return_expression (union_declaration))))) @definition.union
  (#eq? @_type "type"))
(function_declaration name: (identifier) @name) @definition.function
(test_declaration (string (string_content) @name) (block) @body) @definition.test
(test_declaration (identifier) @name (block) @body) @definition.test

; Names of a file or a type. A private name for something imported is no definition.
(source_file (variable_declaration "pub" . (identifier) @name) @definition.constant)
(struct_declaration (variable_declaration "pub" . (identifier) @name) @definition.constant)
((source_file (variable_declaration . (identifier) @name (_) @_value .) @definition.constant)
  (#not-match? @_value "^(@(import|This)\\b|[A-Za-z_]\\w*(\\.\\w+)+$)"))
((struct_declaration (variable_declaration . (identifier) @name (_) @_value .) @definition.constant)
  (#not-match? @_value "^(@(import|This)\\b|[A-Za-z_]\\w*(\\.\\w+)+$)"))
(container_field name: (identifier) @name) @definition.attribute
