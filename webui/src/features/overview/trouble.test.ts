import { expect, it } from 'vitest'
import { troubleOf } from './trouble'

it('finds the line that helps', () => {
  const python = 'exit code 1 before it was ready, after 0.1 s\n| Traceback (most recent call last):\n  File "x.py", line 1\n| \u001b[31mModuleNotFoundError: No module named vllm\u001b[0m\ncleaning up\n'
  expect(troubleOf(python)).toEqual({ what: 'exit code 1 before it was ready, after 0.1 s', why: 'ModuleNotFoundError: No module named vllm' })
  expect(troubleOf('exit code 1\nloading\nbye')).toEqual({ what: 'exit code 1', why: 'bye' })
  expect(troubleOf('not ready in time')).toEqual({ what: 'not ready in time', why: null })
  expect(troubleOf(null)).toEqual({ what: '', why: null })
})
