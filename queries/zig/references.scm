; Uses of names.

(call_expression function: (identifier) @name) @reference.call
(call_expression function: (field_expression member: (identifier) @name)) @reference.call
(parameter type: (identifier) @name) @reference.type
(parameter type: (pointer_type (identifier) @name)) @reference.type
(parameter type: (nullable_type (identifier) @name)) @reference.type
(container_field type: (identifier) @name) @reference.type
(container_field type: (pointer_type (identifier) @name)) @reference.type
(slice_type (identifier) @name) @reference.type
(function_declaration type: (identifier) @name) @reference.type
(error_union_type ok: (identifier) @name) @reference.type
(struct_initializer . (identifier) @name) @reference.type
