import { useState, type ReactNode } from 'react'
import * as Shop from './shop'

interface PriceProps {
  amount: number
  children?: ReactNode
}

/** Shows what something costs. */
export function Price({ amount, children }: PriceProps) {
  const [open, setOpen] = useState<boolean>(false)
  const toggle = () => setOpen(!open)
  return (
    <Shop.Card onClick={toggle}>
      <Money amount={amount} />
      {children}
    </Shop.Card>
  )
}

export const Total: React.FC<PriceProps> = memo(function Total(props) {
  return <Price {...props} />
})
