; What a C file defines. See ../README.md for the capture names.

(function_definition declarator: (_) @declarator) @definition.function
(declaration declarator: (function_declarator declarator: (identifier)) @declarator) @definition.prototype
(declaration declarator: (pointer_declarator declarator: (function_declarator)) @declarator) @definition.prototype
(declaration
  declarator: (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator))) @declarator)
@definition.prototype

(struct_specifier name: (type_identifier) @name body: (_)) @definition.struct
(union_specifier name: (type_identifier) @name body: (_)) @definition.union
(enum_specifier name: (type_identifier) @name body: (_)) @definition.enum
(enumerator name: (identifier) @name) @definition.constant

; typedef struct name { ... } other; is one definition with two names.
(type_definition type: (struct_specifier name: (type_identifier) @name body: (_) @body)) @definition.struct
(type_definition type: (union_specifier name: (type_identifier) @name body: (_) @body)) @definition.union
(type_definition type: (enum_specifier name: (type_identifier) @name body: (_) @body)) @definition.enum

; typedef struct { ... } name; is the struct itself.
(type_definition type: (struct_specifier !name body: (_) @body) declarator: (_) @declarator) @definition.struct
(type_definition type: (union_specifier !name body: (_) @body) declarator: (_) @declarator) @definition.union
(type_definition type: (enum_specifier !name body: (_) @body) declarator: (_) @declarator) @definition.enum
(type_definition declarator: (_) @declarator) @definition.type

(preproc_def name: (identifier) @name value: (_)) @definition.constant
(preproc_function_def name: (identifier) @name) @definition.macro

; Variables of the file, not those of its functions.
(translation_unit (declaration declarator: (init_declarator declarator: (_) @declarator)) @definition.variable)
(translation_unit (declaration declarator: (identifier) @name) @definition.variable)
(translation_unit (declaration declarator: (array_declarator) @declarator) @definition.variable)
