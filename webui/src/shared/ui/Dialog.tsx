/** Dialogs. What draws them comes with the first one that opens: no page needs it to be seen. */
import { lazy, Suspense } from 'react'
import type { ConfirmProps, ModalProps, SheetProps } from './dialogs'

const DrawnConfirm = lazy(() => import('./dialogs').then((file) => ({ default: file.Confirm })))
const DrawnModal = lazy(() => import('./dialogs').then((file) => ({ default: file.Modal })))
const DrawnSheet = lazy(() => import('./dialogs').then((file) => ({ default: file.Sheet })))

/** A question that has to be answered first. */
export function Confirm(props: ConfirmProps) {
  if (!props.open) return null
  return (
    <Suspense>
      <DrawnConfirm {...props} />
    </Suspense>
  )
}

/** In front of everything; long content scrolls inside of it. */
export function Modal(props: ModalProps) {
  return (
    <Suspense>
      <DrawnModal {...props} />
    </Suspense>
  )
}

/** A panel at the side: the menu on a phone, the details of a row. */
export function Sheet(props: SheetProps) {
  if (!props.open) return null
  return (
    <Suspense>
      <DrawnSheet {...props} />
    </Suspense>
  )
}
