@file:JvmName("Shop")

package shop.basket

import kotlin.math.max
import shop.stock.*
import shop.pay.Card as Plastic

/** The most items one basket holds. */
const val ITEMS_MAX = 10

typealias Price = Long

/**
 * What a customer carries.
 *
 * Full baskets refuse.
 */
data class Basket<T : Shelf>(
    val owner: String,
    private val items: MutableList<T> = mutableListOf(),
) : Carrier(owner), Iterable<T> {
    var total: Price = 0
        private set

    constructor(owner: String, first: T) : this(owner) {
        add(first)
    }

    init {
        require(owner.isNotEmpty())
    }

    /** Adds one item. */
    @Throws(Full::class)
    fun add(item: T): Basket<T> {
        if (items.size >= ITEMS_MAX) throw Full(item.name)
        fun remember() = items.add(item)
        remember()
        return this
    }

    override fun iterator(): Iterator<T> = items.iterator()

    companion object Factory {
        fun empty() = Basket<Shelf>("nobody")
    }
}

class Full(message: String) : Exception(message)

interface Discount {
    val percent: Int

    fun apply(price: Price): Price
}

enum class Pay(val fee: Int) : Discount {
    CASH(0) {
        override val percent = 1
    },
    CARD(2);

    abstract override fun apply(price: Price): Price
}

object Registry : Discount by NoDiscount {
    val open = true
}

fun interface Handler {
    fun handle(basket: Basket<*>)
}

// Members of somebody else's class.
suspend fun Basket<*>.checkout(pay: Pay): Price {
    val due = max(total, 0)
    return pay.apply(due)
}

val Basket<*>.isEmpty: Boolean
    get() = none()
