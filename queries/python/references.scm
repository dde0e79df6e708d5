; Uses of names.

(call function: (identifier) @name) @reference.call
(call function: (attribute attribute: (identifier) @name)) @reference.call
(class_definition superclasses: (argument_list (identifier) @name @reference.implementation))
(class_definition superclasses: (argument_list (attribute attribute: (identifier) @name) @reference.implementation))
(decorator (identifier) @name) @reference.call
(decorator (attribute attribute: (identifier) @name)) @reference.call
(typed_parameter type: (type (identifier) @name)) @reference.type
(function_definition return_type: (type (identifier) @name)) @reference.type
