; Uses of names.

(apply function: (variable) @name) @reference.call
(apply function: (qualified id: (variable) @name)) @reference.call
(apply function: (constructor) @name) @reference.call
(infix operator: (operator) @name) @reference.call
(infix operator: (infix_id (variable) @name)) @reference.call
(infix operator: (infix_id (qualified id: (variable) @name))) @reference.call
(function parameter: (name) @name) @reference.type
(function result: (name) @name) @reference.type
(apply constructor: (name) @name) @reference.type
(apply constructor: (qualified id: (name) @name)) @reference.type
(apply argument: (name) @name) @reference.type
(field type: (name) @name) @reference.type
(instance name: (name) @name) @reference.implementation
(instance name: (qualified id: (name) @name)) @reference.implementation
(deriving classes: (name) @name) @reference.implementation
(deriving classes: (tuple (name) @name)) @reference.implementation
