defmodule Shop.Basket do
  @moduledoc """
  What a customer carries.

  Full baskets refuse.
  """

  use GenServer
  import Shop.Stock, only: [shelf: 1]
  alias Shop.{Pay, Full}
  require Logger

  @behaviour Shop.Carrier

  # The most items one basket holds.
  @items_max 10

  @type t :: %__MODULE__{owner: String.t(), items: list()}
  @typep price :: integer()

  defstruct [:owner, items: []]

  @callback percent(price) :: integer()

  @doc """
  Adds one item.
  """
  @spec add(t(), term()) :: t()
  def add(basket, item \\ nil)
  def add(%__MODULE__{items: items}, _item) when length(items) >= @items_max do
    raise Full, message: "no room"
  end

  def add(%__MODULE__{} = basket, item) do
    Logger.debug("one more")
    %{basket | items: [item | basket.items]}
  end

  @doc "Whether nothing is in it."
  def empty?(basket), do: basket.items == []

  @doc false
  def close, do: :ok

  # Sums of prices.
  defp total(items) when is_list(items), do: Enum.sum(items)

  @impl true
  def handle_call(:pay, _from, state) do
    {:reply, Pay.all(total(state.items)), state}
  end

  defmacro shelf_of(name) do
    quote do
      shelf(unquote(name))
    end
  end

  defguard is_full(items) when length(items) > 9

  def left <~> right, do: left + right

  defdelegate size(items), to: Enum, as: :count

  defmodule Inner do
    @moduledoc false
    def inside(x), do: x
  end
end

defprotocol Shop.Discount do
  @doc "Percent taken off."
  def percent(thing)
end

defimpl Shop.Discount, for: Shop.Basket do
  def percent(_basket), do: 5
end

defmodule Shop.Full do
  defexception message: "full"
end
