; Uses of names.

(call_expression function: (identifier) @name) @reference.call
(call_expression function: (selector_expression field: (field_identifier) @name)) @reference.call
(call_expression function: (parenthesized_expression (identifier) @name)) @reference.call
(composite_literal type: (type_identifier) @name) @reference.type
(composite_literal type: (qualified_type name: (type_identifier) @name)) @reference.type
(parameter_declaration type: (type_identifier) @name) @reference.type
(parameter_declaration type: (qualified_type name: (type_identifier) @name)) @reference.type
(pointer_type (type_identifier) @name) @reference.type
(pointer_type (qualified_type name: (type_identifier) @name)) @reference.type
(slice_type element: (type_identifier) @name) @reference.type
(map_type value: (type_identifier) @name) @reference.type
(generic_type type: (type_identifier) @name) @reference.type
(field_declaration !name type: (type_identifier) @name) @reference.implementation
(field_declaration name: (_) type: (type_identifier) @name) @reference.type
(function_declaration result: (type_identifier) @name) @reference.type
(method_declaration result: (type_identifier) @name) @reference.type
(type_assertion_expression type: (type_identifier) @name) @reference.type
