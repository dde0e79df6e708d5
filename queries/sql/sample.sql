-- A shop, small enough to read.
CREATE SCHEMA shop;

-- What a customer carries.
CREATE TABLE IF NOT EXISTS shop.basket (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL, -- who carries it
    total NUMERIC(10, 2) DEFAULT 0
);

CREATE TABLE item (
    name VARCHAR(80),
    basket_id BIGINT REFERENCES shop.basket (id)
);

CREATE UNIQUE INDEX item_by_name ON item (name);

/* Baskets with something in them. */
CREATE OR REPLACE VIEW full_basket AS
SELECT b.id, count(*) AS items
FROM shop.basket b
JOIN item i ON i.basket_id = b.id
GROUP BY b.id;

CREATE MATERIALIZED VIEW sums AS SELECT sum(total) FROM shop.basket;

CREATE TYPE pay AS ENUM ('cash', 'card');

-- Adds one item.
CREATE FUNCTION add_item(basket BIGINT, wanted TEXT) RETURNS INTEGER AS $$
BEGIN
    INSERT INTO item (name, basket_id) VALUES (wanted, basket);
    RETURN 1;
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER counted AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION count_items();

CREATE SEQUENCE basket_ids;

ALTER TABLE item ADD COLUMN price NUMERIC;

WITH cheap AS (
    SELECT name FROM item WHERE price < 1
)
SELECT upper(name) FROM cheap;
