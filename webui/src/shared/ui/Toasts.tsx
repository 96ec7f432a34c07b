/** Short messages about what was just done; read out, and gone after a while. */
import { X } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { IconButton } from './Button'
import { type StatusKind, StatusMark } from './Status'

interface Toast {
  id: number
  kind: StatusKind
  message: string
}

const all = texts({ dismiss: 'Dismiss', region: 'Messages' }, { dismiss: '关闭', region: '消息' })
const SECONDS: Record<StatusKind, number> = { ok: 4, busy: 4, off: 4, warn: 8, bad: 12 }

let toasts: readonly Toast[] = []
let last = 0
const listeners = new Set<() => void>()

function set(next: readonly Toast[]) {
  toasts = next
  listeners.forEach((listener) => listener())
}

export function toast(kind: StatusKind, message: string) {
  const id = (last += 1)
  set([...toasts.slice(-3), { id, kind, message }])
  setTimeout(() => dismiss(id), SECONDS[kind] * 1000)
}

function dismiss(id: number) {
  set(toasts.filter((toast) => toast.id !== id))
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function Toasts() {
  const t = useTexts(all)
  const shown = useSyncExternalStore(subscribe, () => toasts)
  return (
    <section aria-label={t.region} aria-live="polite" className="pointer-events-none fixed right-4 left-4 z-60 grid justify-items-end gap-2 max-lg:top-14 lg:bottom-4">
      {shown.map((toast) => (
        <div key={toast.id} className="panel pointer-events-auto flex max-w-xl items-start gap-2.5 py-2 pr-1.5 pl-3 shadow-lg">
          <span className="pt-1">
            <StatusMark kind={toast.kind} />
          </span>
          <p className="min-w-0 py-0.5 wrap-anywhere whitespace-pre-wrap">{toast.message}</p>
          <IconButton small label={t.dismiss} onClick={() => dismiss(toast.id)}>
            <X size={14} />
          </IconButton>
        </div>
      ))}
    </section>
  )
}
