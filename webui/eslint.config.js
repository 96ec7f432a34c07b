import js from '@eslint/js'
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript'
import importX from 'eslint-plugin-import-x'
import a11y from 'eslint-plugin-jsx-a11y'
import hooks from 'eslint-plugin-react-hooks'
import globals from 'globals'
import { readdirSync } from 'node:fs'
import ts from 'typescript-eslint'

// app -> features -> shared, and no feature knows another one.
const features = readdirSync(new URL('./src/features', import.meta.url))
const zones = [
  { target: './src/shared', from: ['./src/features', './src/app'], message: 'shared knows neither pages nor the frame' },
  { target: './src/features', from: './src/app', message: 'a page does not know the frame' },
  ...features.map((name) => ({
    target: `./src/features/${name}`,
    from: './src/features',
    except: [`./${name}`],
    message: 'what two pages need belongs into shared',
  })),
]

export default ts.config(
  { ignores: ['dist', 'e2e/out', 'node_modules'] },
  js.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}', '*.ts'],
    extends: [ts.configs.recommendedTypeChecked, a11y.flatConfigs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname }, globals: globals.browser },
    plugins: { 'react-hooks': hooks, 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    rules: {
      ...hooks.configs.recommended.rules,
      // These two warn of patterns that the compiler of React cannot improve; it is not used here.
      'react-hooks/set-state-in-effect': 'off',
      'react-hooks/refs': 'off',
      'react-hooks/purity': 'off',
      'react-hooks/preserve-manual-memoization': 'off',
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'import-x/no-cycle': 'error',
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/no-unused-vars': 'off', // tsc finds them
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // What scrolls has to be reached by the keyboard.
      'jsx-a11y/no-noninteractive-tabindex': 'off',
    },
  },
  // Made from the Rust types.
  { files: ['src/shared/api/generated.ts'], rules: { 'max-lines': 'off' } },
  { files: ['src/**/*.test.ts'], rules: { '@typescript-eslint/no-unsafe-assignment': 'off' } },
  { files: ['e2e/**/*.mjs', 'public/*.js', 'eslint.config.js'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
)
