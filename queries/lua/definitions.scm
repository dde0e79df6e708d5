; What a Lua file defines. See ../README.md for the capture names.

(function_declaration name: (identifier) @name) @definition.function
(function_declaration name: (dot_index_expression table: (_) @owner field: (identifier) @name)) @definition.function
(function_declaration name: (method_index_expression table: (_) @owner method: (identifier) @name)) @definition.function

; Functions kept in a name, in a field of a table, and in the text of a table.
(variable_declaration
  (assignment_statement
    (variable_list . name: (identifier) @name)
    (expression_list . value: (function_definition body: (_)? @body)))) @definition.function
(assignment_statement
  (variable_list . name: (identifier) @name)
  (expression_list . value: (function_definition body: (_)? @body))) @definition.function
(assignment_statement
  (variable_list . name: (dot_index_expression table: (_) @owner field: (identifier) @name))
  (expression_list . value: (function_definition body: (_)? @body))) @definition.function
(field name: (identifier) @name value: (function_definition body: (_)? @body)) @definition.function

; Tables and plain values at the top of a file. What is required is an import.
(chunk
  (variable_declaration
    (assignment_statement
      (variable_list . name: (identifier) @name)
      (expression_list . value: (table_constructor) @body))) @definition.table)
(chunk
  (assignment_statement
    (variable_list . name: (dot_index_expression table: (_) @owner field: (identifier) @name))
    (expression_list . value: (table_constructor) @body)) @definition.table)
(chunk
  (assignment_statement
    (variable_list . name: (identifier) @name)
    (expression_list . value: (table_constructor) @body)) @definition.table)
(chunk
  (variable_declaration
    (assignment_statement
      (variable_list . name: (identifier) @name)
      (expression_list . value: [(number) (string) (true) (false) (binary_expression) (unary_expression)])))
  @definition.constant)
(chunk
  (assignment_statement
    (variable_list . name: (dot_index_expression table: (_) @owner field: (identifier) @name))
    (expression_list . value: [(number) (string) (true) (false)])) @definition.constant)
(chunk
  (variable_declaration
    (assignment_statement
      (variable_list . name: (identifier) @name)
      (expression_list . value: (function_call name: (_) @_callee)))) @definition.variable
  (#not-match? @_callee "^require\\b"))
