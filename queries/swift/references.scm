; Uses of names.

(call_expression . (simple_identifier) @name) @reference.call
(call_expression . (navigation_expression suffix: (navigation_suffix suffix: (simple_identifier) @name))) @reference.call
(constructor_expression constructed_type: (user_type (type_identifier) @name)) @reference.call
(attribute (user_type (type_identifier) @name)) @reference.call
(inheritance_specifier inherits_from: (user_type (type_identifier) @name)) @reference.implementation
(parameter (user_type (type_identifier) @name)) @reference.type
(parameter (optional_type (user_type (type_identifier) @name))) @reference.type
(function_declaration (user_type (type_identifier) @name)) @reference.type
(protocol_function_declaration (user_type (type_identifier) @name)) @reference.type
(type_annotation (user_type (type_identifier) @name)) @reference.type
(type_annotation (optional_type (user_type (type_identifier) @name))) @reference.type
(array_type (user_type (type_identifier) @name)) @reference.type
(type_arguments (user_type (type_identifier) @name)) @reference.type
