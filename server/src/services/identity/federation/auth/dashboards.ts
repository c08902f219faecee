import type { Config } from '#lib/config.ts'

/** The addresses of the setting, each as a browser would write it. Throws an Error for one that is none. */
export function trustedDashboards({ trustedDashboards: text }: Config): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map((each) => {
      const url = URL.parse(each)
      if (!url || !/^https?:$/.test(url.protocol))
        throw new Error(`Setting trustedDashboards: ${each} is not an address such as https://dashboard/auth/websso/.`)
      return url.href
    })
}
