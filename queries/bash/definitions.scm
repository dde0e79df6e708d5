; What a shell script defines. See ../README.md for the capture names.

(function_definition name: (word) @name) @definition.function

; Names declared or set in capitals at the top of a script are its constants.
(program (declaration_command "readonly" (variable_assignment name: (variable_name) @name)) @definition.constant)
(program (declaration_command (variable_assignment name: (variable_name) @name)) @definition.variable)
((program (variable_assignment name: (variable_name) @name) @definition.variable)
  (#match? @name "^[A-Z]"))
