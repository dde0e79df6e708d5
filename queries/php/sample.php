<?php

/**
 * A shop, small enough to read.
 */

declare(strict_types=1);

namespace Example\Shop;

use Example\Stock\Shelf;
use Psr\Log\{LoggerInterface, NullLogger};
use function Example\Prices\sum;

require_once __DIR__ . '/stock.php';

const ITEMS_MAX = 10;
define('SHOP_DEBUG', false);

/**
 * What a customer carries.
 *
 * @final
 */
#[Service]
class Basket extends Shelf implements \Countable, Arrayable
{
    use Counting;

    /** How it is paid. */
    public const CURRENCY = 'EUR';

    /** @var Item[] */
    private array $items = [];

    public function __construct(private ?LoggerInterface $logger = null)
    {
        parent::__construct();
        $this->logger ??= new NullLogger();
    }

    /**
     * Adds one item.
     */
    #[Logged]
    public function add(Item $item): static
    {
        if (\count($this->items) >= ITEMS_MAX) {
            throw new FullException($item);
        }
        $price = fn (Item $it): int => $it->price();
        $this->items[] = $item;
        $this->logger?->info('added', [Pay::Cash->name]);

        return $this;
    }

    abstract protected static function make(string $name): self;
}

interface Arrayable
{
    public function toArray(): array;
}

trait Counting
{
    public function count(): int
    {
        return sum($this->items);
    }
}

enum Pay: string
{
    case Cash = 'cash';
    case Card = 'card';

    public static function default(): self
    {
        return self::Cash;
    }
}

// Pays for a basket.
function checkout(Basket $basket): Receipt
{
    return Till::open()->pay($basket);
}
?>
<p><?= checkout($basket) ?></p>
