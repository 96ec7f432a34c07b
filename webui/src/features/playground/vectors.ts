/** How alike two vectors are, from -1 to 1. */
export function cosine(a: readonly number[], b: readonly number[]): number {
  let product = 0
  let left = 0
  let right = 0
  for (let i = 0; i < a.length; i += 1) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0]
    product += x * y
    left += x * x
    right += y * y
  }
  return left === 0 || right === 0 ? 0 : product / Math.sqrt(left * right)
}
