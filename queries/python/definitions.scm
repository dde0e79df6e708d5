; What a Python file defines. See ../README.md for the capture names.

(decorated_definition definition: (class_definition name: (identifier) @name)) @definition.class
(decorated_definition definition: (function_definition name: (identifier) @name)) @definition.function
(class_definition name: (identifier) @name) @definition.class
(function_definition name: (identifier) @name) @definition.function
(type_alias_statement left: (type (identifier) @name)) @definition.type

; Names bound once at the top of a module are its constants.
(module (expression_statement (assignment left: (identifier) @name)) @definition.constant)

; Attributes of a class body: fields of models and data classes.
(class_definition body: (block (expression_statement (assignment left: (identifier) @name)) @definition.attribute))
