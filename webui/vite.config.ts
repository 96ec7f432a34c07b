import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { precompress } from './precompress'
import { sources } from './sources'

// `npm run dev` talks to a manager that runs: LLM_MANAGER_URL, else the default port.
const manager = process.env.LLM_MANAGER_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react(), tailwindcss(), precompress(), sources()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { proxy: Object.fromEntries(['/api', '/v1', '/health'].map((path) => [path, manager])) },
  // Relative to the page's <base>, which the manager sets.
  base: './',
  build: {
    target: 'es2022',
    // The Content-Security-Policy allows files only: no data: fonts, scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  test: { include: ['src/**/*.test.{ts,tsx}'], environment: 'node' },
})
