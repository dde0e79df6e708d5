import Foundation
@testable import struct Stock.Shelf

/// The most items one basket holds.
public let itemsMax = 10

typealias Price = Decimal

/// What a customer carries.
///
/// Full baskets refuse.
@MainActor
public final class Basket<Item: Named>: Carrier, Sequence {
    static let shared = Basket<Apple>()
    private(set) var items: [Item] = []

    var total: Price {
        items.reduce(0) { $0 + $1.price }
    }

    init(owner: String) {
        super.init(owner)
    }

    deinit {
        close()
    }

    /// Adds one item.
    @discardableResult
    func add(_ item: Item, at price: Price = 0) throws -> Basket {
        guard items.count < itemsMax else { throw Full.items(itemsMax) }
        func remember() {
            items.append(item)
        }
        remember()
        return self
    }

    subscript(index: Int) -> Item {
        items[index]
    }
}

enum Full: Error {
    case items(Int)
    case money, time

    var reason: String { "full" }
}

struct Card {
    let number: String
}

protocol Discount: AnyObject {
    associatedtype Unit
    var percent: Int { get }
    func apply(to price: Price) -> Price
}

// Conformance, kept apart.
extension Basket: Discount where Item: Hashable {
    func apply(to price: Price) -> Price {
        price
    }

    static func + (left: Basket, right: Basket) -> Basket {
        left
    }
}

extension Array where Element == Int {
    func sum() -> Int { reduce(0, +) }
}

actor Till {
    func open() async {}
}

infix operator <+>: AdditionPrecedence

/** Pays for everything. */
func checkout<Item>(_ basket: Basket<Item>) -> Price {
    Till().open()
    return basket.total
}
