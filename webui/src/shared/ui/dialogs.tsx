/** How dialogs are drawn. Radix keeps focus and Escape; our own backdrop needs no inline style. */
import { AlertDialog, Dialog as Radix } from 'radix-ui'
import { X } from 'lucide-react'
import { useRef } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button, IconButton } from './Button'
import { cx } from './cx'

const all = texts({ cancel: 'Cancel', close: 'Close' }, { cancel: '取消', close: '关闭' })

export interface ConfirmProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  children: React.ReactNode
  action: string
  onConfirm: () => void
  danger?: boolean
  disabled?: boolean
  /** What the other button says, where "Cancel" could be taken for the action. */
  dismiss?: string
}

export function Confirm({ open, onOpenChange, title, children, action, onConfirm, danger, disabled, dismiss }: ConfirmProps) {
  const t = useTexts(all)
  if (!open) return null
  return (
    <Modal
      title={title}
      onClose={() => onOpenChange(false)}
      actions={
        <>
          <AlertDialog.Cancel asChild>
            <Button>{dismiss ?? t.cancel}</Button>
          </AlertDialog.Cancel>
          <AlertDialog.Action asChild onClick={onConfirm}>
            <Button kind={danger ? 'danger' : 'primary'} disabled={disabled}>
              {action}
            </Button>
          </AlertDialog.Action>
        </>
      }
    >
      {children}
    </Modal>
  )
}

/** Our dialogs have no trigger of Radix's, so it doesn't know where the focus was. */
function useFocusReturn() {
  const before = useRef<Element | null>(null)
  return {
    onOpenAutoFocus: () => {
      before.current = document.activeElement
    },
    onCloseAutoFocus: (event: Event) => {
      event.preventDefault()
      if (before.current instanceof HTMLElement) before.current.focus()
    },
  }
}

export interface ModalProps {
  title: string
  children: React.ReactNode
  actions?: React.ReactNode
  /** Without it the dialog stays until it has done its work. */
  onClose?: () => void
  wide?: boolean
}

/** In front of everything; long content scrolls inside of it. */
export function Modal({ title, children, actions, onClose, wide }: ModalProps) {
  const focus = useFocusReturn()
  return (
    <AlertDialog.Root open onOpenChange={(open) => !open && onClose?.()}>
      <AlertDialog.Portal>
        <div className="fixed inset-0 z-40 bg-[#00000080]" />
        <AlertDialog.Content
          {...focus}
          className={cx(
            'panel fixed top-1/2 left-1/2 z-50 flex max-h-[calc(100dvh-2rem)] -translate-x-1/2 -translate-y-1/2 flex-col gap-3 p-5',
            wide ? 'w-[min(52rem,calc(100vw-2rem))]' : 'w-[min(32rem,calc(100vw-2rem))]',
          )}
        >
          <AlertDialog.Title className="text-[1.1rem] font-semibold">{title}</AlertDialog.Title>
          <AlertDialog.Description asChild>
            <div className="min-h-0 overflow-y-auto text-muted">{children}</div>
          </AlertDialog.Description>
          {actions && <div className="mt-2 flex flex-wrap justify-end gap-2">{actions}</div>}
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}

export interface SheetProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  children: React.ReactNode
  side?: 'left' | 'right'
  wide?: boolean
}

/** A panel at the side: the menu on a phone, the details of a row. */
export function Sheet({ open, onOpenChange, title, children, side = 'right', wide }: SheetProps) {
  const t = useTexts(all)
  const focus = useFocusReturn()
  const edge = side === 'left' ? 'left-0 border-r w-64' : `right-0 border-l ${wide ? 'w-[min(72rem,100vw)]' : 'w-[min(34rem,100vw)]'}`
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <div className="fixed inset-0 z-40 bg-[#00000080]" />
        <Radix.Content
          {...focus}
          aria-describedby={undefined}
          className={`fixed inset-y-0 z-50 flex max-w-full flex-col overflow-y-auto border-line bg-surface ${edge}`}
        >
          <div className="flex items-center justify-between border-b border-line py-2 pr-2 pl-4">
            <Radix.Title className="font-semibold">{title}</Radix.Title>
            <Radix.Close asChild>
              <IconButton label={t.close}>
                <X size={16} />
              </IconButton>
            </Radix.Close>
          </div>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
