package rules

import (
	"strings"
	"sync"
)

// wordSet makes a set of words once, when it is first asked.
func wordSet(words string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool {
		set := make(map[string]bool)
		for _, w := range strings.Fields(words) {
			set[strings.ReplaceAll(w, "_", " ")] = true
		}
		return set
	})
}

// Word lists of caller-id names, folded; _ stands for a blank.
var (
	placeholders = wordSet(`wireless caller cellular cell phone mobile unknown unavailable anonymous private restricted blocked
		withheld name number no not none null undefined nil na n/a out area of call calling callback conference user test
		subscriber customer client guest default extension ext line main office front desk reception lobby fax modem payphone
		pay coin toll free tollfree voip sip trunk pbx asterisk freeswitch google voice skype inbound incoming outbound
		international foreign overseas inmate operator information directory assistance emergency urgent caller_id cid cnam
		invalid spam scam fraud likely potential suspected telemarketer telemarketing robocall survey political anonym anonyme
		anonyma unbekannt inconnu desconocido privado prive privat occupant resident household home house family verizon
		sprint tmobile att comcast vonage xfinity spectrum us usa and or the und et y e dear sir madam valued`)

	companyWords = wordSet(`inc llc ltd limited co corp corporation company companies gmbh ag kg sarl sas sa srl bv nv plc llp lp
		pllc pc pa plumbing plumber heating cooling hvac electric electrical electrician roofing construction contractors
		contracting builders building remodeling landscaping lawn garden cleaning cleaners janitorial painting flooring
		carpet windows glass garage auto automotive motors motor cars tire tires towing repair repairs service services
		solutions systems technologies technology tech software consulting consultants group holdings enterprises enterprise
		associates partners partnership agency realty realtors estate properties property management insurance finance
		financial capital mortgage loans loan credit bank banking savings trust investments law legal attorney attorneys
		lawyers clinic medical medicine health healthcare hospital care dental dentist dentistry dentists orthodontics
		pharmacy drug drugs doctors physicians surgery therapy chiropractic vet veterinary animal optical vision nursing
		rehab school academy university college institute district county city state town village dept department
		government police fire church ministry ministries temple foundation society association club center centre store
		shop market mart foods food pizza restaurant cafe bar grill bakery catering hotel inn motel resort travel tours
		airlines transport transportation trucking logistics freight moving movers storage delivery express courier supply
		supplies wholesale distributors distribution industries industrial manufacturing mfg products equipment tools
		machine machinery metal steel energy power solar gas oil water sewer waste pest control security alarm locksmith
		media marketing advertising press printing design designs studio studios photography salon spa beauty hair nails
		barber fitness gym sports golf daycare childcare preschool kids pet pets grooming kennel farm farms ranch nursery
		flowers florist jewelry furniture appliance appliances computers computer outlet warehouse team support
		sales billing accounts accounting tax payroll staffing recruiting employment hr admin administration headquarters
		corporate division unit tours rental rentals leasing apartments apts condos hoa federal national american united`)

	titles = wordSet(`mr mrs ms miss dr doctor prof professor rev reverend pastor fr father sr sister hon judge capt captain sgt lt
		col maj gen herr frau mme mlle monsieur madame sra srta senor senora sir`)

	// places are US states, Canadian provinces with their codes, and countries that follow a city. People whose first name is
	// one of them go without.
	places = wordSet(`al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok or
		pa ri sc sd tn tx ut vt va wa wv wi wy dc pr gu vi ab bc mb nb nl ns nt nu on pe qc sk yt pq alabama alaska arizona
		arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois indiana iowa kansas kentucky
		louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska nevada new_hampshire
		new_jersey new_mexico new_york north_carolina north_dakota ohio oklahoma oregon pennsylvania rhode_island
		south_carolina south_dakota tennessee texas utah vermont virginia washington west_virginia wisconsin wyoming calif
		mass penn tex fla ariz colo conn ill ind mich minn miss okla ore tenn wash wis north south west east new
		alberta british_columbia manitoba new_brunswick newfoundland nova_scotia ontario quebec saskatchewan yukon uk gb
		england scotland wales ireland france germany italy spain mexico canada jamaica india china japan australia
		deutschland espana italia britain brazil brasil portugal austria belgium netherlands switzerland poland`)

	// commonNames are first names common enough to be taken as whole where the network may have cut the name off.
	commonNames = wordSet(`james robert john michael david william richard joseph thomas charles christopher daniel matthew
		anthony mark donald steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan
		jacob gary nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory frank alexander raymond
		patrick jack dennis jerry tyler aaron jose adam henry nathan douglas zachary peter kyle walter ethan jeremy harold
		keith christian roger noah gerald carl terry sean austin arthur lawrence jesse dylan bryan joe jordan billy bruce
		albert willie gabriel logan alan juan wayne roy ralph randy eugene vincent russell elijah louis bobby philip johnny
		mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty margaret sandra ashley
		kimberly emily donna michelle carol amanda dorothy melissa deborah stephanie rebecca sharon laura cynthia kathleen
		amy angela shirley anna brenda pamela emma nicole helen samantha katherine christine debra rachel carolyn janet
		catherine maria heather diane ruth julie olivia joyce virginia victoria kelly lauren christina joan evelyn judith
		megan andrea cheryl hannah jacqueline martha gloria teresa ann sara madison frances kathryn janice jean abigail
		alice julia judy sophia grace denise amber doris marilyn danielle beverly isabella theresa diana natalie brittany
		charlotte marie kayla alexis lori carlos luis miguel antonio francisco jorge pedro manuel rosa ana carmen claire
		pierre jacques michel marc luc hans peter klaus jens anke ulrike sofia lucia elena`)

	spamWords = wordSet(`spam spammer spamlikely spamrisk likelyspam potentialspam suspectedspam scam scammer scamlikely
		likelyscam scamrisk fraud fraudrisk fraudlikely likelyfraud telemarketer telemarketers telemarketing telemktr robocall
		robocaller robocalls robocallers smishing phishing`)
	spamPairs = wordSet(`robo_call robo_caller robo_calls nuisance_call nuisance_caller nuisance_likely likely_nuisance junk_call
		junk_caller high_risk risk_high potential_risk suspected_risk sales_call tele_marketer tele_marketing blocked_spam`)
)
