; Uses of names.

(command name: (command_name (word) @name)) @reference.call
