; What a Rust file defines. See ../README.md for the capture names.

(function_item name: (identifier) @name) @definition.function
(function_signature_item name: (identifier) @name) @definition.function
(struct_item name: (type_identifier) @name) @definition.struct
(enum_item name: (type_identifier) @name) @definition.enum
(union_item name: (type_identifier) @name) @definition.union
(trait_item name: (type_identifier) @name) @definition.trait
(type_item name: (type_identifier) @name) @definition.type
(associated_type name: (type_identifier) @name) @definition.type
(const_item name: (identifier) @name) @definition.constant
(static_item name: (identifier) @name) @definition.constant
(macro_definition name: (identifier) @name) @definition.macro
(mod_item name: (identifier) @name body: (_)) @definition.module

; An impl block lends the name of its type, without generic arguments, to its members.
(impl_item type: (type_identifier) @container) @definition.impl
(impl_item type: (generic_type type: (type_identifier) @container)) @definition.impl
(impl_item type: (scoped_type_identifier name: (type_identifier) @container)) @definition.impl
(impl_item type: (generic_type type: (scoped_type_identifier name: (type_identifier) @container))) @definition.impl
(impl_item type: (reference_type type: (type_identifier) @container)) @definition.impl
(impl_item type: (primitive_type) @container) @definition.impl
