//! Country names to ISO 3166-1 alpha-2: Okta and some OCSF producers write `United States` where the contract wants `US`.
//!
//! Source: ISO 3166-1 with the English short names that GeoNames, MaxMind and CLDR use; the common variants share a row.

/// The alpha-2 code of a country given by its code or by its English name; `None` for what is neither.
pub fn alpha2(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.len() == 2 {
        return COUNTRIES.iter().map(|(code, _)| *code).find(|code| code.eq_ignore_ascii_case(text));
    }
    COUNTRIES.iter().find(|(_, names)| names.split('|').any(|name| name.eq_ignore_ascii_case(text))).map(|(code, _)| *code)
}

/// Most frequent first where it costs nothing; names parted by `|`.
#[rustfmt::skip]
const COUNTRIES: &[(&str, &str)] = &[
    ("US", "United States|United States of America|USA"), ("DE", "Germany"), ("GB", "United Kingdom|Great Britain|UK|United Kingdom of Great Britain and Northern Ireland"),
    ("FR", "France"), ("CH", "Switzerland"), ("CA", "Canada"), ("IN", "India"), ("NL", "Netherlands|The Netherlands"), ("AU", "Australia"), ("JP", "Japan"),
    ("AD", "Andorra"), ("AE", "United Arab Emirates"), ("AF", "Afghanistan"), ("AG", "Antigua and Barbuda"), ("AI", "Anguilla"), ("AL", "Albania"),
    ("AM", "Armenia"), ("AO", "Angola"), ("AQ", "Antarctica"), ("AR", "Argentina"), ("AS", "American Samoa"), ("AT", "Austria"), ("AW", "Aruba"),
    ("AX", "Åland Islands|Aland Islands|Åland"), ("AZ", "Azerbaijan"), ("BA", "Bosnia and Herzegovina"), ("BB", "Barbados"), ("BD", "Bangladesh"),
    ("BE", "Belgium"), ("BF", "Burkina Faso"), ("BG", "Bulgaria"), ("BH", "Bahrain"), ("BI", "Burundi"), ("BJ", "Benin"),
    ("BL", "Saint Barthélemy|Saint Barthelemy|St. Barthélemy"), ("BM", "Bermuda"), ("BN", "Brunei|Brunei Darussalam"),
    ("BO", "Bolivia|Bolivia, Plurinational State of"), ("BQ", "Bonaire, Sint Eustatius, and Saba|Bonaire, Sint Eustatius and Saba|Caribbean Netherlands"),
    ("BR", "Brazil"), ("BS", "Bahamas|The Bahamas"), ("BT", "Bhutan"), ("BV", "Bouvet Island"), ("BW", "Botswana"), ("BY", "Belarus"), ("BZ", "Belize"),
    ("CC", "Cocos (Keeling) Islands|Cocos Islands"), ("CD", "DR Congo|Congo - Kinshasa|Democratic Republic of the Congo|Congo, The Democratic Republic of the"),
    ("CF", "Central African Republic"), ("CG", "Congo|Republic of the Congo|Congo Republic|Congo - Brazzaville"),
    ("CI", "Ivory Coast|Côte d'Ivoire|Côte d’Ivoire|Cote d'Ivoire"), ("CK", "Cook Islands"), ("CL", "Chile"), ("CM", "Cameroon"), ("CN", "China"), ("CO", "Colombia"),
    ("CR", "Costa Rica"), ("CU", "Cuba"), ("CV", "Cape Verde|Cabo Verde"), ("CW", "Curaçao|Curacao"), ("CX", "Christmas Island"), ("CY", "Cyprus"),
    ("CZ", "Czechia|Czech Republic"), ("DJ", "Djibouti"), ("DK", "Denmark"), ("DM", "Dominica"), ("DO", "Dominican Republic"), ("DZ", "Algeria"),
    ("EC", "Ecuador"), ("EE", "Estonia"), ("EG", "Egypt"), ("EH", "Western Sahara"), ("ER", "Eritrea"), ("ES", "Spain"), ("ET", "Ethiopia"), ("FI", "Finland"),
    ("FJ", "Fiji"), ("FK", "Falkland Islands|Falkland Islands (Malvinas)"), ("FM", "Micronesia|Federated States of Micronesia|Micronesia, Federated States of"),
    ("FO", "Faroe Islands"), ("GA", "Gabon"), ("GD", "Grenada"), ("GE", "Georgia"), ("GF", "French Guiana"), ("GG", "Guernsey"), ("GH", "Ghana"),
    ("GI", "Gibraltar"), ("GL", "Greenland"), ("GM", "Gambia|The Gambia"), ("GN", "Guinea"), ("GP", "Guadeloupe"), ("GQ", "Equatorial Guinea"), ("GR", "Greece"),
    ("GS", "South Georgia and the South Sandwich Islands"), ("GT", "Guatemala"), ("GU", "Guam"), ("GW", "Guinea-Bissau"), ("GY", "Guyana"), ("HK", "Hong Kong|Hong Kong SAR China"),
    ("HM", "Heard Island and McDonald Islands|Heard and McDonald Islands"), ("HN", "Honduras"), ("HR", "Croatia"), ("HT", "Haiti"), ("HU", "Hungary"),
    ("ID", "Indonesia"), ("IE", "Ireland"), ("IL", "Israel"), ("IM", "Isle of Man"), ("IO", "British Indian Ocean Territory"), ("IQ", "Iraq"),
    ("IR", "Iran|Iran, Islamic Republic of"), ("IS", "Iceland"), ("IT", "Italy"), ("JE", "Jersey"), ("JM", "Jamaica"), ("JO", "Jordan|Hashemite Kingdom of Jordan"),
    ("KE", "Kenya"), ("KG", "Kyrgyzstan"), ("KH", "Cambodia"), ("KI", "Kiribati"), ("KM", "Comoros"), ("KN", "Saint Kitts and Nevis|St Kitts and Nevis|St. Kitts & Nevis"),
    ("KP", "North Korea|Korea, Democratic People's Republic of"), ("KR", "South Korea|Korea, Republic of|Republic of Korea"), ("KW", "Kuwait"), ("KY", "Cayman Islands"),
    ("KZ", "Kazakhstan"), ("LA", "Laos|Lao People's Democratic Republic"), ("LB", "Lebanon"), ("LC", "Saint Lucia|St Lucia|St. Lucia"), ("LI", "Liechtenstein"), ("LK", "Sri Lanka"),
    ("LR", "Liberia"), ("LS", "Lesotho"), ("LT", "Lithuania|Republic of Lithuania"), ("LU", "Luxembourg"), ("LV", "Latvia"), ("LY", "Libya"), ("MA", "Morocco"), ("MC", "Monaco"),
    ("MD", "Moldova|Republic of Moldova|Moldova, Republic of"), ("ME", "Montenegro"), ("MF", "Saint Martin|St. Martin"), ("MG", "Madagascar"), ("MH", "Marshall Islands"),
    ("MK", "North Macedonia|Macedonia"), ("ML", "Mali"), ("MM", "Myanmar|Burma|Myanmar (Burma)"), ("MN", "Mongolia"), ("MO", "Macao|Macau|Macao SAR China"), ("MP", "Northern Mariana Islands"),
    ("MQ", "Martinique"), ("MR", "Mauritania"), ("MS", "Montserrat"), ("MT", "Malta"), ("MU", "Mauritius"), ("MV", "Maldives"), ("MW", "Malawi"), ("MX", "Mexico"), ("MY", "Malaysia"),
    ("MZ", "Mozambique"), ("NA", "Namibia"), ("NC", "New Caledonia"), ("NE", "Niger"), ("NF", "Norfolk Island"), ("NG", "Nigeria"), ("NI", "Nicaragua"), ("NO", "Norway"), ("NP", "Nepal"),
    ("NR", "Nauru"), ("NU", "Niue"), ("NZ", "New Zealand"), ("OM", "Oman"), ("PA", "Panama"), ("PE", "Peru"), ("PF", "French Polynesia"), ("PG", "Papua New Guinea"), ("PH", "Philippines"),
    ("PK", "Pakistan"), ("PL", "Poland"), ("PM", "Saint Pierre and Miquelon|St. Pierre & Miquelon"), ("PN", "Pitcairn Islands|Pitcairn"), ("PR", "Puerto Rico"),
    ("PS", "Palestine|Palestinian Territory|Palestinian Territories|Palestine, State of"), ("PT", "Portugal"), ("PW", "Palau"), ("PY", "Paraguay"), ("QA", "Qatar"), ("RE", "Réunion|Reunion"),
    ("RO", "Romania"), ("RS", "Serbia"), ("RU", "Russia|Russian Federation"), ("RW", "Rwanda"), ("SA", "Saudi Arabia"), ("SB", "Solomon Islands"), ("SC", "Seychelles"), ("SD", "Sudan"),
    ("SE", "Sweden"), ("SG", "Singapore"), ("SH", "Saint Helena|St. Helena|Saint Helena, Ascension and Tristan da Cunha"), ("SI", "Slovenia"), ("SJ", "Svalbard and Jan Mayen"),
    ("SK", "Slovakia|Slovak Republic"), ("SL", "Sierra Leone"), ("SM", "San Marino"), ("SN", "Senegal"), ("SO", "Somalia"), ("SR", "Suriname"), ("SS", "South Sudan"),
    ("ST", "São Tomé and Príncipe|Sao Tome and Principe"), ("SV", "El Salvador"), ("SX", "Sint Maarten|Sint Maarten (Dutch part)"), ("SY", "Syria|Syrian Arab Republic"),
    ("SZ", "Eswatini|Swaziland"), ("TC", "Turks and Caicos Islands"), ("TD", "Chad"), ("TF", "French Southern Territories"), ("TG", "Togo"), ("TH", "Thailand"), ("TJ", "Tajikistan"),
    ("TK", "Tokelau"), ("TL", "Timor-Leste|East Timor"), ("TM", "Turkmenistan"), ("TN", "Tunisia"), ("TO", "Tonga"), ("TR", "Turkey|Türkiye|Turkiye"), ("TT", "Trinidad and Tobago"),
    ("TV", "Tuvalu"), ("TW", "Taiwan|Taiwan, Province of China"), ("TZ", "Tanzania|Tanzania, United Republic of"), ("UA", "Ukraine"), ("UG", "Uganda"),
    ("UM", "U.S. Minor Outlying Islands|U.S. Outlying Islands|United States Minor Outlying Islands"), ("UY", "Uruguay"), ("UZ", "Uzbekistan"), ("VA", "Vatican City|Holy See"),
    ("VC", "Saint Vincent and the Grenadines|St Vincent and Grenadines"), ("VE", "Venezuela|Venezuela, Bolivarian Republic of"), ("VG", "British Virgin Islands|Virgin Islands, British"),
    ("VI", "U.S. Virgin Islands|Virgin Islands, U.S."), ("VN", "Vietnam|Viet Nam"), ("VU", "Vanuatu"), ("WF", "Wallis and Futuna"), ("WS", "Samoa"), ("XK", "Kosovo"),
    ("YE", "Yemen"), ("YT", "Mayotte"), ("ZA", "South Africa"), ("ZM", "Zambia"), ("ZW", "Zimbabwe"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names() {
        assert_eq!(alpha2("us"), Some("US"));
        assert_eq!(alpha2("United States"), Some("US"));
        assert_eq!(alpha2(" south korea "), Some("KR"));
        assert_eq!(alpha2("Türkiye"), Some("TR"));
        assert_eq!(alpha2("ZZ"), None);
        assert_eq!(alpha2("Atlantis"), None);
        assert_eq!(alpha2(""), None);
    }

    #[test]
    fn every_code_and_name_stands_once() {
        let mut codes: Vec<_> = COUNTRIES.iter().map(|(code, _)| *code).collect();
        let mut names: Vec<_> = COUNTRIES.iter().flat_map(|(_, names)| names.split('|')).collect();
        assert_eq!(codes.len(), 250); // ISO 3166-1's 249 and Kosovo's user-assigned XK
        for list in [&mut codes, &mut names] {
            let before = list.len();
            list.sort_unstable();
            list.dedup();
            assert_eq!(list.len(), before);
        }
    }
}
