import { Languages, Monitor, Moon, Sun } from 'lucide-react'
import { setLanguage, useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { setTheme, type ThemeChoice, useThemeChoice } from '@/shared/theme'
import { Button } from '@/shared/ui/Button'
import { SignOut } from './SignOut'

const all = texts(
  { language: '中文', languageLabel: 'Switch to Chinese: 中文', system: 'Theme: as the system', light: 'Theme: light', dark: 'Theme: dark' },
  { language: 'English', languageLabel: '切换到英文：English', system: '主题：跟随系统', light: '主题：浅色', dark: '主题：深色' },
)

const icons = { system: Monitor, light: Sun, dark: Moon }
const next: Record<ThemeChoice, ThemeChoice> = { system: 'light', light: 'dark', dark: 'system' }

export function Preferences() {
  const t = useTexts(all)
  const language = useLanguage()
  const choice = useThemeChoice()
  const Icon = icons[choice]
  return (
    <div className="flex items-center gap-1">
      <Button small kind="quiet" aria-label={t.languageLabel} onClick={() => setLanguage(language === 'en' ? 'zh' : 'en')}>
        <Languages size={15} aria-hidden="true" />
        {t.language}
      </Button>
      <Button small kind="quiet" aria-label={t[choice]} title={t[choice]} onClick={() => setTheme(next[choice])}>
        <Icon size={15} aria-hidden="true" />
      </Button>
      <SignOut />
    </div>
  )
}
