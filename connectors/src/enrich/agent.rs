//! Class, family and operating system of a user agent.
//!
//! Programs (command-line tools, HTTP libraries) are told by the names that they put first, from the table below; browsers, phones
//! and crawlers by the `woothee` data set. Families and systems are named without their versions, so that an update is no news.
//!
//! Parsing costs microseconds (woothee runs a cascade of searches and regular expressions), but user agents repeat: a direct-mapped
//! cache of a fixed number of slots answers for those seen before, at the price of one hash and one comparison.

use portcullis_core::event::AgentClass;
use woothee::parser::Parser;
use xxhash_rust::xxh3::xxh3_64;

/// What is found out about a user agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AgentFacts {
    pub class: AgentClass,
    pub family: Option<&'static str>,
    pub os: Option<&'static str>,
}

/// Slots of the cache; a power of two.
const SLOTS: usize = 4096;
/// Longer user agents are cut here before they are looked at, bytes.
const AGENT_BYTES_MAX: usize = 512;

/// Looks user agents up.
pub struct Agents {
    slots: Vec<Option<(Box<str>, AgentFacts)>>,
    parser: Parser,
}

impl Default for Agents {
    fn default() -> Self {
        Agents { slots: (0..SLOTS).map(|_| None).collect(), parser: Parser::new() }
    }
}

impl Agents {
    pub fn look_up(&mut self, agent: &str) -> AgentFacts {
        let agent = cut(agent);
        let slot = &mut self.slots[xxh3_64(agent.as_bytes()) as usize % SLOTS];
        match slot {
            Some((known, facts)) if **known == *agent => *facts,
            _ => {
                let facts = parse(&self.parser, agent);
                *slot = Some((agent.into(), facts));
                facts
            }
        }
    }
}

fn cut(agent: &str) -> &str {
    let mut end = agent.len().min(AGENT_BYTES_MAX);
    while !agent.is_char_boundary(end) {
        end -= 1;
    }
    &agent[..end]
}

/// Programs by the beginning of their user agent (a leading `[` as in S3's logs does not count), the longer name first.
#[rustfmt::skip]
const PROGRAMS: &[(&str, AgentClass, &str)] = &[
    ("aws-cli/", AgentClass::Cli, "aws-cli"), ("aws-sdk-", AgentClass::Library, "aws-sdk"), ("boto3/", AgentClass::Library, "Boto3"), ("botocore/", AgentClass::Library, "Boto3"),
    ("apn/", AgentClass::Cli, "Terraform"), ("terraform/", AgentClass::Cli, "Terraform"), ("hashicorp terraform/", AgentClass::Cli, "Terraform"), ("pulumi", AgentClass::Cli, "Pulumi"),
    ("kubectl/", AgentClass::Cli, "kubectl"), ("helm/", AgentClass::Cli, "Helm"), ("gcloud/", AgentClass::Cli, "gcloud"), ("google-cloud-sdk", AgentClass::Cli, "gcloud"),
    ("azure-cli/", AgentClass::Cli, "azure-cli"), ("azurecli/", AgentClass::Cli, "azure-cli"), ("azsdk-", AgentClass::Library, "azsdk"), ("vault/", AgentClass::Cli, "Vault"),
    ("curl/", AgentClass::Cli, "curl"), ("wget/", AgentClass::Cli, "Wget"), ("httpie/", AgentClass::Cli, "HTTPie"), ("git/", AgentClass::Cli, "git"), ("jgit/", AgentClass::Library, "JGit"),
    ("gh/", AgentClass::Cli, "gh"), ("github cli", AgentClass::Cli, "gh"), ("postmanruntime/", AgentClass::Cli, "Postman"), ("insomnia/", AgentClass::Cli, "Insomnia"),
    ("powershell/", AgentClass::Cli, "PowerShell"), ("mozilla/5.0 (windows nt; windows nt", AgentClass::Cli, "PowerShell"),
    ("python-requests/", AgentClass::Library, "python-requests"), ("python-urllib", AgentClass::Library, "python-urllib"), ("python-httpx/", AgentClass::Library, "python-httpx"),
    ("aiohttp/", AgentClass::Library, "aiohttp"), ("python/", AgentClass::Library, "Python"), ("openai/", AgentClass::Library, "openai"), ("anthropic/", AgentClass::Library, "anthropic"),
    ("go-http-client/", AgentClass::Library, "Go"), ("okhttp/", AgentClass::Library, "okhttp"), ("axios/", AgentClass::Library, "axios"), ("node-fetch/", AgentClass::Library, "node-fetch"),
    ("node", AgentClass::Library, "Node.js"), ("undici", AgentClass::Library, "Node.js"), ("got (", AgentClass::Library, "got"), ("java/", AgentClass::Library, "Java"),
    ("java-http-client/", AgentClass::Library, "Java"), ("apache-httpclient/", AgentClass::Library, "Apache-HttpClient"), ("ruby", AgentClass::Library, "Ruby"), ("faraday", AgentClass::Library, "Ruby"),
    ("guzzlehttp/", AgentClass::Library, "Guzzle"), ("reqwest/", AgentClass::Library, "reqwest"), ("libwww-perl/", AgentClass::Library, "libwww-perl"), ("restsharp/", AgentClass::Library, "RestSharp"),
    ("dart/", AgentClass::Library, "Dart"), ("cfnetwork/", AgentClass::Mobile, "CFNetwork"), ("aws internal", AgentClass::Other, "AWS"), ("signin.amazonaws.com", AgentClass::Browser, "AWS console"),
    ("console.amazonaws.com", AgentClass::Browser, "AWS console"),
];

fn parse(parser: &Parser, agent: &str) -> AgentFacts {
    let trimmed = agent.trim_start_matches(['[', ' ', '"']);
    let program = PROGRAMS.iter().find(|(prefix, ..)| trimmed.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)));
    if let Some((_, class, family)) = program {
        return AgentFacts { class: *class, family: Some(family), os: system(agent) };
    }
    if trimmed.ends_with(".amazonaws.com") {
        return AgentFacts { class: AgentClass::Other, family: Some("AWS"), os: None };
    }
    let Some(found) = parser.parse(agent) else { return AgentFacts { class: AgentClass::Other, family: None, os: system(agent) } };
    let class = match found.category {
        "pc" => AgentClass::Browser,
        "smartphone" | "mobilephone" => AgentClass::Mobile,
        "crawler" => AgentClass::Crawler,
        "misc" if found.name == "HTTP Library" => AgentClass::Library,
        _ => AgentClass::Other,
    };
    AgentFacts { class, family: FAMILIES.iter().copied().find(|f| *f == found.name), os: system_named(found.os).or_else(|| system(agent)) }
}

/// The names that woothee gives; a fixed list, so that a family is a constant.
const FAMILIES: &[&str] = &[
    "Chrome",
    "Firefox",
    "Safari",
    "Edge",
    "Internet Explorer",
    "Opera",
    "Vivaldi",
    "Webview",
    "SamsungBrowser",
    "Yandex Browser",
    "Sleipnir",
    "Google Search App",
    "Googlebot",
    "bingbot",
    "Yahoo! Slurp",
    "facebook",
    "twitter",
    "Applebot",
    "Baiduspider",
    "Mail.RU",
    "HTTP Library",
    "misc crawler",
    "misc feed reader",
    "Windows RSS Reader",
    "Internet Explorer Mobile",
];

/// woothee's systems, folded to their families.
fn system_named(os: &str) -> Option<&'static str> {
    Some(match os {
        os if os.starts_with("Windows Phone") => "Windows Phone",
        os if os.starts_with("Windows") => "Windows",
        "Mac OSX" | "Mac OS Classic" => "Mac OSX",
        "Linux" => "Linux",
        "Android" => "Android",
        "iOS" | "iPhone" | "iPad" | "iPod" => "iOS",
        "ChromeOS" => "ChromeOS",
        "BSD" => "BSD",
        _ => return None,
    })
}

/// The system that a program says it runs on: `Boto3/1.15 Python/3.8 Linux/5.6`, `... os/macos#23`.
fn system(agent: &str) -> Option<&'static str> {
    let lower = agent.to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    match () {
        () if has("darwin") || has("macos") || has("mac os x") => Some("Mac OSX"),
        () if has("windows") => Some("Windows"),
        () if has("android") => Some("Android"),
        () if has("linux") => Some("Linux"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str =
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36";

    #[test]
    fn people_programs_and_crawlers() {
        let mut agents = Agents::default();
        for (agent, class, family, os) in [
            (CHROME, AgentClass::Browser, Some("Chrome"), Some("Mac OSX")),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36",
                AgentClass::Mobile,
                Some("Chrome"),
                Some("Android"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                AgentClass::Mobile,
                Some("Safari"),
                Some("iOS"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
                AgentClass::Browser,
                Some("Firefox"),
                Some("Windows"),
            ),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.example.com/bot.html)", AgentClass::Crawler, Some("Googlebot"), None),
            ("Boto3/1.15.2 Python/3.8.2 Linux/5.6.3-arch1-1 Botocore/1.18.2", AgentClass::Library, Some("Boto3"), Some("Linux")),
            ("[aws-cli/1.16.301 Python/3.7.5 Darwin/19.0.0 botocore/1.13.37]", AgentClass::Cli, Some("aws-cli"), Some("Mac OSX")),
            ("curl/8.5.0", AgentClass::Cli, Some("curl"), None),
            ("AWS Internal", AgentClass::Other, Some("AWS"), None),
            ("ecs.amazonaws.com", AgentClass::Other, Some("AWS"), None),
            ("", AgentClass::Other, None, None),
            ("something nobody knows", AgentClass::Other, None, None),
        ] {
            for _ in 0..2 {
                assert_eq!(agents.look_up(agent), AgentFacts { class, family, os }, "{agent}");
            }
        }
    }

    #[test]
    fn any_text_is_answered() {
        let mut agents = Agents::default();
        assert_eq!(agents.look_up(&"ü".repeat(10_000)).class, AgentClass::Other);
        for i in 0..20_000 {
            agents.look_up(&format!("agent {i}"));
        }
        assert_eq!(agents.slots.len(), SLOTS);
    }
}
