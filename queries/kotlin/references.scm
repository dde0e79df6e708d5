; Uses of names.

(call_expression . (identifier) @name) @reference.call
(call_expression . (navigation_expression (identifier) @name .)) @reference.call
(callable_reference (identifier) @name .) @reference.call
(annotation (user_type (identifier) @name .)) @reference.call
(annotation (constructor_invocation (user_type (identifier) @name .))) @reference.call
(delegation_specifier (user_type (identifier) @name)) @reference.implementation
(delegation_specifier (constructor_invocation (user_type (identifier) @name))) @reference.implementation
(delegation_specifier (explicit_delegation . (user_type (identifier) @name))) @reference.implementation
(parameter (user_type (identifier) @name)) @reference.type
(class_parameter (user_type (identifier) @name)) @reference.type
(variable_declaration (user_type (identifier) @name)) @reference.type
(function_declaration (user_type (identifier) @name)) @reference.type
(nullable_type (user_type (identifier) @name)) @reference.type
(type_projection (user_type (identifier) @name)) @reference.type
