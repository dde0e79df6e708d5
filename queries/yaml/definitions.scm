; The keys of a YAML file: those at the top, and sections one level below. See ../README.md for the capture names.

; A document that names itself, as those of Kubernetes do.
((document
  (block_node
    (block_mapping
      (block_mapping_pair
        key: (flow_node) @_metadata
        value: (block_node
          (block_mapping (block_mapping_pair key: (flow_node) @_name value: (flow_node) @name))))))) @definition.document
  (#eq? @_metadata "metadata") (#eq? @_name "name"))

(document (block_node (block_mapping (block_mapping_pair key: (flow_node) @name) @definition.key)))
(document
  (block_node
    (block_mapping
      (block_mapping_pair
        value: (block_node
          (block_mapping (block_mapping_pair key: (flow_node) @name value: (block_node)) @definition.key))))))
