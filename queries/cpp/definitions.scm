; What a C++ file defines. See ../README.md for the capture names.

(namespace_definition name: (_) @name body: (_)) @definition.namespace
(concept_definition name: (identifier) @name) @definition.concept
(template_declaration (concept_definition name: (identifier) @name)) @definition.concept

; Types; a template covers its parameters too.
(class_specifier name: (_) @declarator body: (_)) @definition.class
(struct_specifier name: (_) @declarator body: (_)) @definition.struct
(union_specifier name: (_) @declarator body: (_)) @definition.union
(enum_specifier name: (_) @declarator body: (_)) @definition.enum
(template_declaration (class_specifier name: (_) @declarator body: (_))) @definition.class
(template_declaration (struct_specifier name: (_) @declarator body: (_))) @definition.struct
(template_declaration (union_specifier name: (_) @declarator body: (_))) @definition.union
(enumerator name: (identifier) @name) @definition.constant
(alias_declaration name: (type_identifier) @name) @definition.type
(template_declaration (alias_declaration name: (type_identifier) @name)) @definition.type

; typedef struct { ... } name; is the struct itself.
(type_definition type: (struct_specifier !name body: (_) @body) declarator: (_) @declarator) @definition.struct
(type_definition type: (union_specifier !name body: (_) @body) declarator: (_) @declarator) @definition.union
(type_definition type: (enum_specifier !name body: (_) @body) declarator: (_) @declarator) @definition.enum
(type_definition declarator: (_) @declarator) @definition.type

; Functions, also those defined outside of their class (shop::Basket::add).
(template_declaration (template_declaration (function_definition declarator: (_) @declarator))) @definition.function
(template_declaration (function_definition declarator: (_) @declarator)) @definition.function
(function_definition declarator: (_) @declarator) @definition.function

; Declared here, defined elsewhere.
(template_declaration (declaration declarator: (function_declarator) @declarator)) @definition.prototype
(declaration declarator: (function_declarator declarator: [(identifier) (qualified_identifier) (operator_name) (destructor_name)]) @declarator)
@definition.prototype
(declaration declarator: (pointer_declarator declarator: (function_declarator)) @declarator) @definition.prototype
(declaration declarator: (reference_declarator (function_declarator)) @declarator) @definition.prototype
(field_declaration declarator: (function_declarator) @declarator) @definition.prototype
(field_declaration declarator: (pointer_declarator declarator: (function_declarator)) @declarator) @definition.prototype
(field_declaration declarator: (reference_declarator (function_declarator)) @declarator) @definition.prototype

(preproc_def name: (identifier) @name value: (_)) @definition.constant
(preproc_function_def name: (identifier) @name) @definition.macro

; Variables of the file or a namespace, not those of functions.
(translation_unit (declaration declarator: (init_declarator declarator: (_) @declarator)) @definition.variable)
(namespace_definition
  body: (declaration_list (declaration declarator: (init_declarator declarator: (_) @declarator)) @definition.variable))
