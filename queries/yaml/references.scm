; Parts of the file that are used again, and parts of a schema.

(alias (alias_name) @name) @reference.type
((block_mapping_pair key: (flow_node) @_key value: (flow_node) @name) @reference.type
  (#any-of? @_key "$ref" "'$ref'" "\"$ref\""))
