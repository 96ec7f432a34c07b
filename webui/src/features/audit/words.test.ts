import { expect, it } from 'vitest'
import { actionOf, auditTexts } from './words'

it('names what was done, and keeps what it does not know', () => {
  expect(actionOf('pause_device', auditTexts.en)).toBe('Kept models off a device')
  expect(actionOf('stop', auditTexts.zh)).toBe('停止')
  expect(actionOf('POST models/{}/rest', auditTexts.zh)).toBe('POST models/{}/rest')
  expect(actionOf('toString', auditTexts.en)).toBe('toString')
})
