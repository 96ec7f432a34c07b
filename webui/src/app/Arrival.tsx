/** Once a model that was just added is there: it is started, and the visitor is taken to where it can be tried out. */
import { useEffect } from 'react'
import { useNavigate } from 'react-router'
import { useOrder } from '@/shared/api/orders'
import { useLive } from '@/shared/live/store'
import { arrived, awaitedModel } from '@/shared/model/add/arrival'

export function Arrival() {
  const navigate = useNavigate()
  const order = useOrder()
  const models = useLive((live) => live.models)
  const live = useLive((live) => live.connection === 'live')
  const { mutate } = order
  useEffect(() => {
    const name = awaitedModel()
    if (name === null || !live || !models[name]) return
    arrived()
    mutate({ name, verb: 'start' })
    void navigate(`/playground?${new URLSearchParams({ model: name }).toString()}`)
  }, [models, live, mutate, navigate])
  return null
}
