/** Catches what a page throws, so that one broken page is not a white screen. */
import { Component } from 'react'
import { FailureFace } from '@/shared/ui/Face'

interface Props {
  /** Another value clears the error: the path of the page. */
  resetKey?: string
  children: React.ReactNode
}

interface State {
  error: unknown
  key: string | undefined
}

export class Boundary extends Component<Props, State> {
  override state: State = { error: null, key: this.props.resetKey }

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error }
  }

  static getDerivedStateFromProps(props: Props, state: State): Partial<State> | null {
    return props.resetKey === state.key ? null : { error: null, key: props.resetKey }
  }

  override render() {
    // A new build has other file names: a page that cannot be loaded any more wants a reload.
    if (this.state.error) return <FailureFace error={this.state.error} retry={() => window.location.reload()} />
    return this.props.children
  }
}
