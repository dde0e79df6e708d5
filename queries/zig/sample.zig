//! A shop, small enough to read.

const std = @import("std");
const stock = @import("stock.zig");
const Allocator = std.mem.Allocator;

/// The most items one basket holds.
pub const items_max: usize = 10;

var open = false;

/// What a customer carries.
///
/// Full baskets refuse.
pub const Basket = struct {
    owner: []const u8,
    items: std.ArrayList(Item),
    paid: bool = false,

    const Self = @This();

    pub const Item = struct {
        name: []const u8,
    };

    pub fn init(allocator: Allocator, owner: []const u8) Basket {
        return .{ .owner = owner, .items = std.ArrayList(Item).init(allocator) };
    }

    /// Adds one item.
    pub fn add(self: *Self, item: Item) Full!void {
        if (self.items.items.len >= items_max) return error.Full;
        try self.items.append(item);
    }
};

pub const Full = error{ Items, Money };

const Pay = enum(u8) {
    cash,
    card,

    fn fee(self: Pay) u32 {
        return switch (self) {
            .cash => 0,
            .card => 2,
        };
    }
};

const Value = union(enum) {
    int: i64,
    text: []const u8,
};

/// A list of anything.
pub fn List(comptime T: type) type {
    return struct {
        items: []T,

        pub fn first(self: @This()) T {
            return self.items[0];
        }
    };
}

extern "c" fn checkout(basket: *Basket) c_int;

test "adding" {
    var basket = Basket.init(std.testing.allocator, "me");
    try basket.add(.{ .name = "apple" });
}

test List {
    _ = List(u8);
}
