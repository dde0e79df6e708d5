; What pipelines and compositions bring in.

((block_mapping_pair key: (flow_node) @_key value: (flow_node) @path) @import
  (#any-of? @_key "extends" "image" "include" "uses"))
